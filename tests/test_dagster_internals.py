"""Each use of what Dagster does not promise, alone: the test that fails says what a release has changed."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

import tdx_dagster.defs
from tdx_dagster import dagster_internals as internals
from tdx_dagster.environment_first import EnvironmentFirst

PACKAGE = Path(tdx_dagster.__file__).parent
TICKETS = "tickets"
METHODS = re.compile(
    r"\.(optimize_for_webserver|get_runs|get_records_for_run|all_instigator_state|get_ticks|run_launcher"
    r"|get_paginated_dynamic_partitions|get_existing_dynamic_partitions|add_run_tags|event_log_storage"
    r"|report_dagster_event|code_location_origin|remote_job_origin|resolve_\w+_def|node_dict)\b"
)


@dg.asset
def source() -> int:
    return 1


@dg.asset_check(asset=source)
def is_one() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="It is two.")


@dg.sensor(target=[source])
def nothing() -> dg.SkipReason:
    return dg.SkipReason("nothing")


DEFINITIONS = dg.Definitions(assets=[source], asset_checks=[is_one], sensors=[nothing])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def run_id(instance: dg.DagsterInstance) -> str:
    done = internals.asset_job_of(DEFINITIONS).execute_in_process(instance=instance)
    return done.run_id


def test_nothing_of_the_kind_stands_elsewhere() -> None:
    """Neither an import of a module below `dagster` nor a call of a method that is not public."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        if file.name == "dagster_internals.py":
            continue
        text = file.read_text(encoding="utf-8")
        found += [f"{file.name}: {call}" for call in METHODS.findall(text)]
        for node in ast.walk(ast.parse(text)):
            name = node.module if isinstance(node, ast.ImportFrom) else None
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else [name]
            found += [
                f"{file.name}: {one}" for one in names if one and re.match(r"dagster\w*\.", one)
            ]
    assert found == []


def test_an_instance_is_opened_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with internals.open_instance(tmp_path) as opened:
        assert opened.root_directory == str(tmp_path)
        assert internals.launcher_name(opened) == "DefaultRunLauncher"
        assert "DefaultRunLauncher" in internals.part_names(opened)
        # It has no Celery, or hands no run to it.
        try:
            assert internals.celery_app_of(opened) is None
        except ImportError:
            assert not _is_installed("dagster_celery")


def _is_installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def test_connections_are_kept(instance: dg.DagsterInstance) -> None:
    internals.keep_connections(instance)


def test_a_cron_schedule_is_recognised() -> None:
    assert internals.is_cron("23 3 * * *")
    assert not internals.is_cron("at noon")


def test_components_are_read_from_a_package() -> None:
    tree = internals.load_component_tree(tdx_dagster.defs, PACKAGE)
    assert isinstance(tdx_dagster.defs, ModuleType)
    component = tree.load_component(Path("compliance"))
    assert isinstance(component, tdx_dagster.TicketPipeline)
    assert internals.parts_of(component) == [component]
    assert tree.defs_module_path == PACKAGE / "defs"
    assert internals.component_tree_of(tree.build_defs()) is tree


def test_a_job_is_given_with_its_resources() -> None:
    made = dg.Definitions(jobs=[dg.define_asset_job("one", selection=[source])], assets=[source])
    assert internals.job_of(made, "one").name == "one"
    assert internals.asset_job_of(made).execute_in_process().success


def test_the_ops_of_a_job_and_the_checks_of_a_code_location_are_listed() -> None:
    @dg.op
    def first(context: dg.OpExecutionContext) -> list[str]:
        return sorted(internals.op_names(context))

    @dg.job
    def alone() -> None:
        first()

    assert alone.execute_in_process().output_for_node("first") == ["first"]
    repository = DEFINITIONS.get_repository_def()
    assert [key.name for key in internals.check_keys_of(repository)] == ["is_one"]
    assert list(internals.check_keys_of(None)) == []


def test_partitions_are_found(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the method that came with 1.13, and without it."""
    instance.add_dynamic_partitions(TICKETS, ["7", "5", "6"])
    assert internals.newest_partitions(instance, TICKETS, 2) == (["5", "6"], True)
    assert internals.newest_partitions(instance, TICKETS, 4) == (["7", "5", "6"], False)

    def assert_found() -> None:
        assert internals.has_partition(instance, TICKETS, {"4", "7"})
        assert not internals.has_partition(instance, TICKETS, {"4"})

    assert_found()
    if hasattr(dg.DagsterInstance, "get_existing_dynamic_partitions"):
        monkeypatch.delattr(dg.DagsterInstance, "get_existing_dynamic_partitions")
        assert_found()


def test_a_run_is_found_with_its_events_and_gets_tags(
    instance: dg.DagsterInstance, run_id: str
) -> None:
    internals.tag_run(instance, run_id, {"tdx/ticket/7": "true"})
    wanted = dg.RunsFilter(tags={"tdx/ticket/7": "true"})
    [run] = internals.runs_of(instance, wanted, 5)
    assert run.run_id == run_id
    assert internals.location_of_run(run) is None
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    [entry] = internals.events_of_run(instance, run_id, kind, 5)
    assert entry.dagster_event
    assert entry.dagster_event.asset_key == source.key


def test_a_load_of_another_job_is_stored_as_of_its_own_moment(
    instance: dg.DagsterInstance,
) -> None:
    loaded = datetime.now(UTC) - timedelta(days=3)
    internals.report_load(instance, source.key, loaded)
    event = instance.get_latest_materialization_event(source.key)
    assert event
    assert event.timestamp == pytest.approx(loaded.timestamp())


def test_what_checks_have_said_last_is_read(instance: dg.DagsterInstance, run_id: str) -> None:
    assert run_id
    [(key, said)] = internals.latest_checks(instance, [*is_one.check_keys]).items()
    assert key.name == "is_one"
    assert not said.passed
    assert said.description == "It is two."


def test_a_sensor_that_was_switched_off_is_known_with_its_ticks(tmp_path: Path) -> None:
    """The daemon evaluates a sensor of a code location of its own; then somebody switches it off."""
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        origin = _switch_off(instance)
        [one] = internals.instigators(instance)
        assert (one.name, one.is_running, one.location) == ("nothing", False, "here")
        assert internals.ticks_of(instance, one, 1) == []
        context = dg.build_sensor_context(instance, sensor_name="nothing")
        assert internals.location_of(context) is None
        assert internals.is_switched_off(context, "nothing")
        assert not internals.is_switched_off(context, "another")
        context._code_location_origin = origin
        assert internals.location_of(context) == "here"
        assert internals.is_switched_off(context, "nothing")


def _switch_off(instance: dg.DagsterInstance) -> object:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="here"), location_name="here"
    )
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "nothing")
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, None)
    )
    return location


def test_the_secrets_loader_is_made_from_dagster_yaml(tmp_path: Path) -> None:
    yaml = "secrets:\n  custom:\n    module: tdx_dagster.environment_first\n    class: EnvironmentFirst\n"
    (tmp_path / "dagster.yaml").write_text(yaml)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(tmp_path))
        with internals.open_instance(tmp_path) as opened:
            assert isinstance(opened._secrets_loader, EnvironmentFirst)


def test_every_function_has_its_test() -> None:
    names = [
        node.name
        for node in ast.parse((PACKAGE / "dagster_internals.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in names if f"internals.{name}(" not in text] == []
