"""What is not public API of Dagster and used here: each use is one function, and has one test.

Belongs here: imports of Dagster's modules that begin with an underscore, and calls of methods that Dagster does
not promise. A release that changes one breaks `tests/test_dagster_internals.py`, which says which. Does not:
what is done with the answers. The range of releases is in pyproject.toml; `make dagster-range` tries both ends.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._core.events import StepMaterializationData
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick
from dagster._core.secrets.loader import SecretsLoader
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster._utils.schedules import is_valid_cron_string
from dagster.components.core.component_tree import ComponentTree
from dagster.components.core.defs_module import CompositeYamlComponent

__all__ = [
    "ComponentTree",
    "ConfigurableClass",
    "ConfigurableClassData",
    "InstigatorTick",
    "SecretsLoader",
]

# Dagster opens a connection for each event it stores, and signing in costs ten times what storing does: a
# quarter of a run's time. A connection that is kept no longer than this is hardly ever one that broke.
KEEP_CONNECTION_SECONDS = 5
MOST_SPARE_CONNECTIONS = 4


def open_instance(home: Path) -> dg.DagsterInstance:
    """Open the instance that a folder's `dagster.yaml` describes."""
    return dg.DagsterInstance.from_config(str(home))


def keep_connections(instance: dg.DagsterInstance) -> None:
    """Let this process keep its connections to Dagster's database for a few seconds.

    Dagster has the switch for its web server; without it each event signs in anew.
    """
    instance.optimize_for_webserver(
        statement_timeout=0,
        pool_recycle=KEEP_CONNECTION_SECONDS,
        max_overflow=MOST_SPARE_CONNECTIONS,
    )


def is_cron(text: str) -> bool:
    """Tell whether Dagster would take a text as a cron schedule."""
    return is_valid_cron_string(text)


def load_component_tree(module: ModuleType, root: Path) -> ComponentTree:
    """Give the tree of components of a package.

    Args:
        module: The package.
        root: The folder of its project.
    """
    return ComponentTree.from_module(module, root)


def parts_of(component: dg.Component) -> Sequence[dg.Component]:
    """Give the components of a file, several where it holds several documents."""
    return component.components if isinstance(component, CompositeYamlComponent) else [component]


def component_tree_of(definitions: dg.Definitions) -> ComponentTree | None:
    """Give the tree that definitions were made from, which Dagster's UI shows."""
    return definitions.component_tree


def job_of(definitions: dg.Definitions, name: str) -> dg.JobDefinition:
    """Give a job with its resources."""
    return definitions.resolve_job_def(name)


def asset_job_of(definitions: dg.Definitions) -> dg.JobDefinition:
    """Give the job that holds all assets."""
    return definitions.resolve_implicit_global_asset_job_def()


def check_keys_of(repository: dg.RepositoryDefinition | None) -> Collection[dg.AssetCheckKey]:
    """Give the checks of a code location."""
    return repository.asset_graph.asset_check_keys if repository else ()


def op_names(context: dg.OpExecutionContext) -> Collection[str]:
    """Give the names of the ops of a run's job."""
    return context.job_def.graph.node_dict.keys()


def newest_partitions(
    instance: dg.DagsterInstance, name: str, most: int
) -> tuple[Sequence[str], bool]:
    """Give the partitions added last, in the order they were added, and whether there may be more."""
    page = instance.get_paginated_dynamic_partitions(name, limit=most, ascending=False)
    return page.results[::-1], page.has_more


def has_partition(instance: dg.DagsterInstance, name: str, keys: Iterable[str]) -> bool:
    """Tell whether one of these partitions exists."""
    find = getattr(instance, "get_existing_dynamic_partitions", None)
    if find is not None:
        return bool(find(name, sorted(keys)))
    # Dagster 1.12 has a question for one key alone.
    return any(instance.has_dynamic_partition(name, key) for key in keys)


def runs_of(instance: dg.DagsterInstance, wanted: dg.RunsFilter, most: int) -> list[dg.DagsterRun]:
    """Give the newest runs of a kind."""
    return list(instance.get_runs(wanted, limit=most))


def events_of_run(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType, most: int
) -> Sequence[dg.EventLogEntry]:
    """Give the first events of a kind that a run has stored."""
    found = instance.get_records_for_run(run_id, of_type=kind, limit=most)
    return [record.event_log_entry for record in found.records]


def location_of_run(run: dg.DagsterRun) -> str | None:
    """Name the code location that launched a run; None where no code location did."""
    return run.remote_job_origin.location_name if run.remote_job_origin else None


def tag_run(instance: dg.DagsterInstance, run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run that has begun."""
    instance.add_run_tags(run_id, dict(tags))


def report_load(instance: dg.DagsterInstance, key: dg.AssetKey, loaded: datetime) -> None:
    """Store a materialisation that no run has made, as of the moment at which it was.

    `report_runless_asset_event`, which is public, takes it for one of now.
    """
    made = dg.AssetMaterialization(key, description="Loaded by another job.")
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=RUNLESS_JOB_NAME,
        event_specific_data=StepMaterializationData(made),
    )
    instance.report_dagster_event(event, RUNLESS_RUN_ID, timestamp=loaded.timestamp())


def latest_checks(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]
) -> Mapping[dg.AssetCheckKey, dg.AssetCheckEvaluation]:
    """Give what each check has said last; one that has said nothing, or is under way, is left out."""
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    events = {key: one.event.dagster_event for key, one in found.items() if one.event is not None}
    return {
        key: event.asset_check_evaluation_data
        for key, event in events.items()
        if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }


@dataclass(frozen=True)
class Instigator:
    """A sensor or schedule that Dagster has a state of: it was switched on or off, or has ticked.

    Args:
        name: Of the sensor or schedule.
        is_running: Whether it is on.
        location: Name of the code location it belongs to.
        state: What Dagster has.
    """

    name: str
    is_running: bool
    location: str
    state: InstigatorState


def instigators(instance: dg.DagsterInstance) -> Sequence[Instigator]:
    """Give all sensors and schedules that Dagster has a state of."""
    return [
        Instigator(
            name=state.instigator_name,
            is_running=state.is_running,
            location=state.origin.repository_origin.code_location_origin.location_name,
            state=state,
        )
        for state in instance.all_instigator_state()
    ]


def ticks_of(instance: dg.DagsterInstance, one: Instigator, most: int) -> Sequence[InstigatorTick]:
    """Give the newest ticks of a sensor or schedule."""
    return instance.get_ticks(one.state.instigator_origin_id, one.state.selector_id, limit=most)


def is_switched_off(context: dg.SensorEvaluationContext, name: str) -> bool:
    """Tell whether a person has switched off the sensor of this name in the code location of a tick."""
    here = context.code_location_origin
    return any(
        state.instigator_name == name
        and state.instigator_type.name == "SENSOR"
        and state.status.name == "STOPPED"
        # No set: before 1.13 a code location cannot be in one.
        and (here is None or here == state.origin.repository_origin.code_location_origin)
        for state in context.instance.all_instigator_state()
    )


def location_of(context: dg.SensorEvaluationContext) -> str | None:
    """Name the code location that a sensor's tick runs in; None outside of Dagster's daemon."""
    return context.code_location_origin.location_name if context.code_location_origin else None


def celery_app_of(instance: dg.DagsterInstance) -> Any:  # noqa: ANN401  Celery has no types
    """Give the Celery application that the instance hands runs to, with its tasks; None where it uses none.

    Raises:
        ImportError: The extra `celery` is not installed.
    """
    from dagster_celery.launcher import CeleryRunLauncher  # noqa: PLC0415  an extra
    from dagster_celery.tasks import (  # noqa: PLC0415  the same
        create_execute_job_task,
        create_resume_job_task,
    )

    launcher = instance.run_launcher
    if not isinstance(launcher, CeleryRunLauncher):
        return None
    create_execute_job_task(launcher.celery)
    create_resume_job_task(launcher.celery)
    return launcher.celery


def part_names(instance: dg.DagsterInstance) -> Sequence[str]:
    """Make the parts of an instance that its services make at their first use; give their names."""
    parts = (instance.run_coordinator, instance.run_launcher, instance.compute_log_manager)
    return [type(part).__name__ for part in parts]


def launcher_name(instance: dg.DagsterInstance) -> str:
    """Name what launches the runs of an instance."""
    return type(instance.run_launcher).__name__
