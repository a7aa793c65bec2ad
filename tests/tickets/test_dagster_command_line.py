"""What Dagster's own command line can ask of us (cases F24, F33): right, or red without a write."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli.asset import asset_cli

from tdx_dagster.simulator import Simulator, settings_for

PARTITIONS = "compliance_tickets"
Materialise = Callable[..., str]


@pytest.fixture
def materialise(
    simulator: Simulator, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Materialise:
    """Runs `dagster asset materialize` on the project's own definitions; gives what it said at its end."""
    settings = settings_for(simulator) | {
        "DATABASE_URL": database_url,
        "DAGSTER_HOME": str(tmp_path),
        "INVENTORY_SOURCE": "external",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.add_dynamic_partitions(PARTITIONS, ["31", "32", "33"])

    def run(*words: str) -> str:
        command = ["materialize", "--select", "tickets/compliance", "-m", "tdx_dagster.definitions"]
        done = CliRunner().invoke(asset_cli, [*command, *words])
        return "" if done.exit_code == 0 else f"{done.output}{done.exception}"

    return run


def test_f33_one_ticket_is_acted_on(materialise: Materialise, simulator: Simulator) -> None:
    """As from a script; a second time changes nothing."""
    assert materialise("--partition", "31") == ""
    feed = list(simulator.state.feed_of_ticket(31))
    assert sum(entry["UpdateType"] == 1 for entry in feed) == 1
    assert materialise("--partition", "31") == ""
    assert simulator.state.feed_of_ticket(31) == feed
    assert simulator.state.feed_of_ticket(32) == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--partition", "999999999"),
        ("--partition", "abc"),
        ("--partition", "31,32"),
        ("--partition-range", "31...34"),
        ("--partition-range", "33...31"),
        ("--partition-range", "31...33"),
    ],
)
def test_f24_f33_what_is_no_ticket_ends_red_without_a_write(
    materialise: Materialise, simulator: Simulator, words: tuple[str, ...]
) -> None:
    """None, unknown ones, several in one word, and ranges."""
    assert materialise(*words) != ""
    assert [call.name for call in simulator.calls if "/tickets" in call.name] == []
