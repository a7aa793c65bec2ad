"""`TicketPipeline`: the Dagster component that turns a `defs.yaml` into asset, jobs, sensor and partitions.

Belongs here: the attributes people write in YAML, and making definitions of them. Does not: what the
actions do, what a run looks like (`tickets.job`), what TDX or a database needs.
"""

import importlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import Field

import tdx_dagster.defs
from tdx_dagster.component_errors import causes, component_fault, python_fault
from tdx_dagster.component_schema import PipelineScaffolder, describe_actions
from tdx_dagster.dagster_internals import ComponentTree, load_component_tree, parts_of
from tdx_dagster.failures import failure
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.named_tdx import UNNAMED, require_name
from tdx_dagster.project import selected_project
from tdx_dagster.resources import resources_of
from tdx_dagster.settings import (
    SettingsError,
    declare_inventory,
    find_site,
    forget_declared,
    load_inventory_settings,
    load_sensor_settings,
)
from tdx_dagster.tickets.actions.registry import BadAction, read_actions
from tdx_dagster.tickets.job import (
    build_rehearsal_job,
    build_report_spec,
    build_ticket_asset,
    build_ticket_job,
)
from tdx_dagster.tickets.pipeline import Mode, Pipeline, read_time
from tdx_dagster.tickets.sensor import build_sensor
from tdx_dagster.tickets.undo_job import build_undo_job

DEFS_MODULE: ModuleType = tdx_dagster.defs

PIPELINE_NAME = re.compile("[A-Za-z0-9_]+")

# Overlapping ticks of a very short interval would ask for the same runs twice (case C28), for nothing.
SHORTEST_INTERVAL = 30


def _plain_mappings(_: dg.ResolutionContext, entries: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401  YAML
    """Take the actions as plain mappings: each is read by its own type, with a message that names it."""
    return [dict(entry) if isinstance(entry, Mapping) else entry for entry in entries]


def _moment(_: dg.ResolutionContext, given: Any) -> datetime | None:  # noqa: ANN401  YAML
    return None if given is None else read_time("taken_over_at", str(given))


@dg.scaffold_with(PipelineScaffolder)
class TicketPipeline(dg.Component, dg.Model, dg.Resolvable):
    """One TDX report with its actions; the folder's name is the pipeline's."""

    report_id: int | None = Field(None, ge=1, description="The report; left out: DAEMON_REPORT_ID.")
    tdx: str = Field(
        UNNAMED,
        description="Name of the TDX environment, whose settings are TDX_<NAME>_…; left out: TDX_….",
    )
    mode: Literal["observe", "act"] = Field(
        "act", description="observe: every run is a dry run that shows what it would write."
    )
    ticket_column: str | None = Field(None, description="The ticket column; left out: found.")
    interval_seconds: int = Field(
        300, ge=SHORTEST_INTERVAL, description="Seconds between two reads of the report."
    )
    tickets_per_run: int = Field(30, ge=1, le=500, description="At most so many in one run.")
    act_on_closed: bool = Field(default=False, description="Act on closed tickets too.")
    taken_over_at: Annotated[datetime | None, dg.Resolver(_moment, model_field_type=str | None)] = (
        Field(
            None,
            description="When an older daemon was stopped; what it did on tickets is looked for.",
        )
    )
    actions: Annotated[
        Sequence[Mapping[str, Any]],
        dg.Resolver(_plain_mappings, model_field_type=list[dict[str, Any]]),
    ] = Field(
        description="What is done on each ticket, in order.", json_schema_extra=describe_actions
    )

    def spec(self, name: str, place: str) -> Pipeline:
        """Give the pipeline in plain Python.

        Args:
            name: Its name, the folder's.
            place: Its file, for error messages.

        Raises:
            BadAction: An action cannot be read, or a name is none for Dagster.
        """
        if not PIPELINE_NAME.fullmatch(name):
            raise BadAction(
                f"{place}: {name!r} cannot be a pipeline's name: give the folder a name of letters, digits "
                "and underscores."
            )
        return Pipeline(
            name=name,
            actions=read_actions(self.actions, place),
            report_id=self.report_id,
            ticket_column=self.ticket_column,
            interval_seconds=self.interval_seconds,
            tickets_per_run=self.tickets_per_run,
            act_on_closed=self.act_on_closed,
            taken_over_at=self.taken_over_at,
            mode=Mode(self.mode),
            tdx=_environment(self.tdx, place),
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions of the pipeline."""
        made = pipeline_definitions(self.spec(context.path.name, place_of(context.path)))
        return dg.Definitions.merge(made, dg.Definitions(resources=resources_of(self.tdx)))


def _environment(name: str, place: str) -> str:
    try:
        return require_name(name)
    except SettingsError as error:
        raise BadAction(f"{place}: {error}") from None


class Inventory(dg.Component, dg.Model, dg.Resolvable):
    """The computers that pipelines know: assets, loads and checks.

    What is left out is as the variables INVENTORY_* say. Discovery and the commands go by the attributes too.
    """

    tdx: str = Field(UNNAMED, description="Name of the TDX environment; left out: that of TDX_….")
    source: Literal["tdx", "external"] | None = Field(
        None, description="tdx: we load it; external: another job fills bronze.raw_entities."
    )
    source_system: str | None = Field(None, description="Its source_system in bronze.")
    asset_keys: dict[str, str] | None = Field(
        None,
        description="Keys of assets of this project that fill bronze: assets, people, statuses.",
    )
    full_cron: str | None = Field(None, description="When everything is loaded.")
    incremental_cron: str | None = Field(None, description="When changes are loaded.")
    stale_hours: float | None = Field(None, description="From this age on it is a warning.")
    distrusted_hours: float | None = Field(
        None, description="From this age on TDX is asked about each hit."
    )
    most_dropped: float | None = Field(
        None, description="Share of active computers that may vanish between two rebuilds."
    )
    most_without_serial: float | None = Field(
        None, description="Share of active computers that may lack a serial number."
    )
    group: str | None = Field(None, description="Group of the assets in Dagster.")

    def settings(self) -> InventorySettings:
        """Give the settings: attributes first, then the environment.

        Raises:
            SettingsError: One cannot be read.
        """
        name = require_name(self.tdx)
        given = self.model_dump(exclude_none=True, exclude={"tdx"})
        in_project = {"asset_keys_in_project": True} if self.asset_keys else {}
        declare_inventory(name, given | in_project)
        return load_inventory_settings(name)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions of the inventory."""
        del context
        carried = dg.Definitions(resources=resources_of(self.tdx))
        return dg.Definitions.merge(inventory_definitions(self.settings()), carried)


def pipeline_definitions(pipeline: Pipeline) -> dg.Definitions:
    """Make asset, jobs and sensor of a pipeline."""
    computers = InventoryKeys.of(load_inventory_settings(pipeline.tdx)).computers
    site = find_site(pipeline.tdx)
    asset = build_ticket_asset(pipeline, computers, site)
    job = build_ticket_job(pipeline, asset, site)
    rehearsal = build_rehearsal_job(pipeline, asset, site)
    given = load_sensor_settings()
    is_on = given.tdx_sensors == "on"
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
    seconds = given.tdx_poll_seconds or pipeline.interval_seconds
    return dg.Definitions(
        assets=[asset, build_report_spec(pipeline, site)],
        jobs=[job, rehearsal, build_undo_job(pipeline, site)],
        sensors=[
            build_sensor(pipeline, rehearsal if pipeline.observes else job, status, seconds, site)
        ],
    )


@dataclass(frozen=True)
class DefsFolder:
    """What the `defs` folder holds.

    Args:
        pipelines: The pipelines that can be read, by name.
        broken: Why others cannot be read, by the name of their folder.
        trees: What Dagster builds definitions from.
        inventories: Names of the environments whose inventory is one of its components.
    """

    pipelines: dict[str, Pipeline]
    broken: dict[str, str]
    trees: list[tuple[ComponentTree, str | None]]
    inventories: frozenset[str] = frozenset()

    @property
    def environments(self) -> Sequence[str]:
        """Names of the TDX environments in use, the one without a name first."""
        return sorted({UNNAMED, *self.inventories, *(one.tdx for one in self.pipelines.values())})

    def adding(self, parts: Sequence["Pipeline | Inventory"]) -> "DefsFolder":
        """Give the same with what one more file holds.

        Raises:
            BadAction: It defines what is there already: definitions of one name stop all others.
        """
        pipelines, inventories = dict(self.pipelines), self.inventories
        for one in parts:
            if isinstance(one, Inventory):
                if one.tdx in inventories:
                    raise BadAction("There are two components tdx_dagster.Inventory: remove one.")
                inventories |= {one.settings().tdx}
            else:
                _refuse_taken(one.name, pipelines)
                pipelines[one.name] = one
        return replace(self, pipelines=pipelines, inventories=inventories)

    def build_defs(self) -> dg.Definitions:
        """Make the definitions of all that can be read; a sensor of each broken pipeline says why it fails."""
        sensors = [_broken_sensor(name, text, self.pipelines) for name, text in self.broken.items()]
        with suppress_preview_warnings():
            built = [tree.build_defs(place) for tree, place in self.trees]
        return dg.Definitions.merge(*built, dg.Definitions(sensors=sensors))


def load_defs_folder() -> DefsFolder:
    """Read all pipelines; one that is broken stops none of the others."""
    forget_declared()
    with suppress_preview_warnings():
        try:
            tree = _tree(defs_module())
            root = tree.defs_module_path
            found = DefsFolder({}, {}, [(tree, None)])
            for file in _files(root):
                found = found.adding(_read(tree, root, file))
        except Exception as error:
            found = _load_one_by_one()
            if not found.broken:
                found.broken.update(python_fault(error, root=_tree(defs_module()).defs_module_path))
            if not found.broken:
                raise
        return found


def load_pipelines() -> Mapping[str, Pipeline]:
    """Give all pipelines that can be read, by name."""
    return load_defs_folder().pipelines


def _load_one_by_one() -> DefsFolder:
    """Read each pipeline as if it were alone, which leaves out what is in Python files of the folder."""
    found = DefsFolder({}, {}, [])
    root = _tree(defs_module()).defs_module_path
    trees: list[tuple[str, ComponentTree]] = []
    for file in _files(root):
        folder = file.parent
        name = ".".join([defs_module().__name__, *folder.relative_to(root).parts])
        try:
            tree = _tree(importlib.import_module(name))
            with_it = found.adding(_read(tree, folder, file))
            tree.build_defs(".")
            found = with_it
            trees.append((folder.name, tree))
        except Exception as error:
            if any(isinstance(cause, SettingsError) for cause in causes(error)):
                raise
            found.broken[folder.name] = (
                component_fault(error, sorted(TicketPipeline.model_fields))
                or f"{place_of(folder)}: {error}"
            )
    # Of two with one name, nobody knows which is meant.
    known = {name: one for name, one in found.pipelines.items() if name not in found.broken}
    kept: list[tuple[ComponentTree, str | None]] = [
        (tree, ".") for name, tree in trees if name not in found.broken or name in known
    ]
    return replace(found, pipelines=known, trees=kept)


def defs_module() -> ModuleType:
    """Give the package that holds the components: that of the selected project, else of this package."""
    project = selected_project()
    return project.import_defs() if project else DEFS_MODULE


def _tree(module: ModuleType) -> ComponentTree:
    project = selected_project()
    return load_component_tree(module, project.root if project else Path(__file__).parents[1])


def _read(tree: ComponentTree, root: Path, file: Path) -> Sequence[Pipeline | Inventory]:
    """Give what is ours in a file of components.

    Raises:
        BadAction: It is empty or no text, or a pipeline in it cannot be read.
    """
    folder = file.parent
    _require_content(file)
    component = tree.load_component(folder.relative_to(root))
    return [
        one.spec(folder.name, place_of(folder)) if isinstance(one, TicketPipeline) else one
        for one in parts_of(component)
        if isinstance(one, TicketPipeline | Inventory)
    ]


def _require_content(file: Path) -> None:
    place = place_of(file.parent)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadAction(f"{place} is not in UTF-8: save it as UTF-8.") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    if not set(lines) - {"", "---", "null", "~"}:
        raise BadAction(
            f"{place} is empty: begin it with 'type: tdx_dagster.TicketPipeline', or remove the folder."
        )


def _files(root: Path) -> list[Path]:
    """Give the files of pipelines, one a folder; Dagster reads `defs.yml` where there is no `defs.yaml`."""
    found = {file.parent: file for name in ("defs.yml", "defs.yaml") for file in root.rglob(name)}
    return [found[folder] for folder in sorted(found)]


def _broken_sensor(name: str, text: str, healthy: Mapping[str, Pipeline]) -> dg.SensorDefinition:
    """Make a sensor in the place of a broken pipeline's, so that the UI shows what is wrong."""
    usable = re.sub("[^A-Za-z0-9_]", "_", name)
    usable += "_broken" if usable in healthy else ""

    def fail(_: dg.SensorEvaluationContext) -> None:
        raise failure(text)

    logging.getLogger("dagster").error("The pipeline %s is left out. %s", name, text)
    return dg.SensorDefinition(name=f"{usable}_report", evaluation_fn=fail, description=text)


def _refuse_taken(name: str, pipelines: Mapping[str, Pipeline]) -> None:
    """Refuse a name whose jobs another pipeline has."""
    if name in pipelines:
        raise BadAction(
            f"There are two pipelines named {name!r}, as their folder is: give one folder another name. "
            "Neither is used until then."
        )
    jobs = {job: one for one in pipelines for job in (one, f"{one}_undo", f"{one}_rehearsal")}
    for job in (name, f"{name}_undo", f"{name}_rehearsal"):
        if job in jobs:
            raise BadAction(
                f"The pipelines {jobs[job]!r} and {name!r} both have a job {job!r}: give the folder of one "
                "another name."
            )


@contextmanager
def suppress_preview_warnings() -> Iterator[None]:
    """Keep Dagster's notes about its own beta features from people: the range of releases is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def place_of(folder: Path) -> str:
    """Name a pipeline's file for people."""
    return f"defs/{folder.name}/defs.yaml"
