"""Assets that another code location makes are the very same assets here, and silver follows them."""

import json
import os
import re
import shlex
import subprocess
import sys
import time

import dagster as dg
import pytest
from sqlalchemy import Engine, text

from tdx_dagster import Inventory, Pipeline, definitions_for
from tdx_dagster.actions import AddAsset
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.assets import inventory_definitions
from tdx_dagster.inventory.columns import ASSETS, COMPUTERS, InventoryKeys
from tdx_dagster.inventory.settings import InventorySettings
from tdx_dagster.settings import SettingsError, load_inventory_settings
from tests.cli.conftest import ROOT, Shell, dagster_database, shell  # noqa: F401  fixtures
from tests.cli.ui import Ui, free_port, service, until

OPERATING = ROOT / "docs" / "operating.md"
REPORTED_WITHIN = 3600.0
"""Seconds: an older materialisation is of another test."""

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def test_keys_and_group_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """One asset of theirs may stand for several kinds of ours."""
    monkeypatch.setenv("INVENTORY_SOURCE", "external")
    monkeypatch.setenv("INVENTORY_GROUP", "hub")
    monkeypatch.setenv(
        "INVENTORY_ASSET_KEYS", "assets=hub/raw, people = hub/raw, computers=robot/computers"
    )
    settings = load_inventory_settings()
    keys = InventoryKeys.of(settings)
    nothing = dg.ResourceDefinition.none_resource()
    defs = dg.Definitions.merge(
        inventory_definitions(settings), dg.Definitions(resources={"tdx_dagster_database": nothing})
    )
    graph = defs.resolve_asset_graph()
    assert keys.bronze == (dg.AssetKey(["bronze", "tdx_statuses"]), dg.AssetKey(["hub", "raw"]))
    assert graph.get(dg.AssetKey(["robot", "computers"])).parent_keys == set(keys.bronze)
    assert {graph.get(key).group_name for key in graph.get_all_asset_keys()} == {"hub"}
    assert not any(graph.get(key).is_executable for key in keys.bronze)


def test_assets_of_the_same_project_that_fill_bronze_lead_to_the_tickets_in_one_graph() -> None:
    """They are made once, by the project; silver follows what they report."""

    @dg.asset(key=["ours", "raw_entities"])
    def raw_entities() -> None: ...

    keys = dict.fromkeys(("assets", "people", "statuses"), "ours/raw_entities")
    settings = Inventory(source="external", asset_keys=keys).settings()
    pipeline = Pipeline("printers", (AddAsset(),), report_id=1)
    defs = dg.Definitions.merge(
        dg.Definitions(assets=[raw_entities]), definitions_for([pipeline], settings)
    )
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    assert graph.get(COMPUTERS).parent_keys == {raw_entities.key}
    assert graph.get(dg.AssetKey(["tickets", "printers"])).parent_keys > {COMPUTERS}
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(defs, instance)
        assert dg.materialize([raw_entities], instance=instance).success
        after = dg.evaluate_automation_conditions(defs, instance, cursor=before.cursor)
        assert after.get_num_requested(COMPUTERS) == 1


@pytest.mark.parametrize(
    "value", ["hub/tdx_assets", "asset=hub/x", "assets=", "assets=silver/computers", "assets=a//b"]
)
def test_a_wrong_key_is_told_as_one(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Nobody should look for it in a graph that does not join."""
    monkeypatch.setenv("INVENTORY_ASSET_KEYS", value)
    with pytest.raises(SettingsError, match="INVENTORY_ASSET_KEYS"):
        load_inventory_settings()


def test_an_observation_feeds_the_freshness_of_dagster(database: Engine) -> None:
    """Dagster counts materialisations alone; each load is reported once, with its own time."""
    load = text(
        "INSERT INTO bronze.raw_entities (entity_type, source_system, external_id, raw_data, ingested_at) "
        "VALUES ('asset', 'tdx', '1', '{}', now() - make_interval(hours => :hours))"
    )
    resource = dg.ResourceDefinition.hardcoded_resource(_Port(database))
    defs = dg.Definitions.merge(
        inventory_definitions(InventorySettings(source="external")),
        dg.Definitions(resources={"tdx_dagster_database": resource}),
    )
    job = defs.resolve_implicit_global_asset_job_def()

    def reported(instance: dg.DagsterInstance) -> list[float]:
        records = instance.fetch_materializations(ASSETS, limit=10).records
        return [record.timestamp for record in records]

    with dg.DagsterInstance.ephemeral() as instance:
        counts = []
        for hours in (30, None, 2):
            if hours:
                with database.begin() as connection:
                    connection.execute(load, {"hours": hours})
            observed = InventoryKeys().bronze
            job.execute_in_process(instance=instance, asset_selection=[*observed], run_config=QUIET)
            counts.append(len(reported(instance)))
        newest, oldest = reported(instance)
    assert counts == [1, 1, 2]
    assert newest - oldest == pytest.approx(28 * 3600, abs=60)


class _Port:
    """Gives the database of the test."""

    def __init__(self, database: Engine) -> None:
        self._database = database

    def engine(self) -> Engine:
        """See `DatabaseProvider`."""
        return self._database


@pytest.mark.slow
def test_a_cron_job_reports_its_load_by_the_command_of_the_guide_and_silver_is_due_at_once(
    shell: Shell,  # noqa: F811  a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody has to wait for the observation."""
    for name, value in (shell.environment | {"INVENTORY_SOURCE": "external"}).items():
        monkeypatch.setenv(name, value)
    [command] = re.findall(r"^curl .*tdx_assets$", OPERATING.read_text(), re.MULTILINE)
    port = str(free_port())
    here = Shell(shell.folder, dict(os.environ))
    server = (sys.executable, "-m", "dagster_webserver", "-w", str(ROOT / "workspace.yaml"))
    with (
        service(here, "webserver", *server, "-h", "127.0.0.1", "-p", port),
        dg.DagsterInstance.from_config(str(ROOT)) as instance,
    ):
        ours = build_defs()
        before = dg.evaluate_automation_conditions(ours, instance)
        until("webserver", lambda: Ui(int(port)).ask("{ version }"))
        words = shlex.split(command.replace(":3000", f":{port}"))
        said = subprocess.run([*words, "--silent"], capture_output=True, text=True, check=True)
        assert json.loads(said.stdout) == {}
        after = dg.evaluate_automation_conditions(ours, instance, cursor=before.cursor)
        [record] = instance.fetch_materializations(ASSETS, limit=1).records
    assert time.time() - record.timestamp < REPORTED_WITHIN
    assert after.get_requested_partitions(COMPUTERS) == {None}
