"""Wrong settings in many combinations: one sentence names one of them, exit 2, and nothing has happened."""

import os
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from tdx_dagster.cli import cli
from tdx_dagster.cli.process import process
from tdx_dagster.settings import InventorySettings, SensorSettings, Settings
from tests.cli.conftest import ROOT

RIGHT = {
    "TDX_BASE_URL": "http://127.0.0.1:1/TDWebApi",
    "TDX_TICKET_APP_ID": "46",
    "TDX_ASSET_APP_ID": "48",
    "TDX_BEID": "b",
    "TDX_WEB_SERVICES_KEY": "k",
    "DAEMON_REPORT_ID": "5",
    "DAGSTER_HOME": str(ROOT),
    "DATABASE_URL": "postgresql://u:geheim@127.0.0.1:1/none",
}
# What is given in place of it, an empty text for "not set"; each is wrong whatever the others are.
WRONG = {
    "TDX_BASE_URL": ["", "ftp://tdx.example.edu/TDWebApi", "http://", "tdx example"],
    "TDX_TICKET_APP_ID": ["x", "0", "-3", "4.5", "", "99999999999"],
    "TDX_ASSET_APP_ID": ["ten", "0", "", "1e3x"],
    "TDX_APP_ID": ["x", "-1", "1 000"],
    "TDX_ALLOW_HTTP": ["maybe", "2"],
    "TDX_WEB_SERVICES_KEY": [""],
    "TDX_BEID": [""],
    "TDX_TIME_ZONE": ["Mars", "America/", "../etc/passwd", "Größe"],
    "TDX_SETTLE_SECONDS": ["-1", "0", "soon", "nan", "59"],
    "TDX_WRITE_SECONDS": ["0", "121", "later"],
    "TDX_LEASE_SECONDS": ["0", "inf", "5 minutes"],
    "TDX_RETRY_PAUSE_SECONDS": ["-0.1", "x"],
    "TDX_MAX_ATTEMPTS": ["0", "many", "2.5"],
    "TDX_RATE_SHARE": ["0", "1.1", "50%"],
    "TDX_SENSORS": ["onn", "yes"],
    "TDX_POLL_SECONDS": ["1", "a minute"],
    "INVENTORY_SOURCE": ["externl", "hub"],
    "INVENTORY_SUORCE": ["external"],
    "INVENTORY_ENTITY_TYPES": [",", " , "],
    "INVENTORY_SOURCE_SYSTEM": ["s" * 51],
    "INVENTORY_STALE_HOURS": ["-1", "1e9", "nan"],
    "INVENTORY_DISTRUSTED_HOURS": ["0", "week"],
    "INVENTORY_MOST_DROPPED": ["20", "-0.1"],
    "INVENTORY_MOST_WITHOUT_SERIAL": ["7", "some"],
    "INVENTORY_INCREMENTAL_CRON": ["hourly", "* * *"],
    "INVENTORY_SCHEMA": ["Not A Name", "1x", "a;b"],
    "INVENTORY_ASSET_KEYS": ["what=x", "assets=", "computers"],
    "INVENTORY_GROUP": ["a b", "x/y"],
    "INVENTORY_FULL_CRON": ["nightly", "61 * * * *"],
    "INVENTORY_TIME_ZONE": ["Mars"],
    "DAGSTER_HOME": ["~nobody-of-that-name/x", "missing"],
    "DATABASE_URL": [
        "mysql://u:geheim@127.0.0.1/x",
        "geheim",
        "postgresql://u:geheim@127.0.0.1:1/x",
        "postgresql://u:ge@geheim@127.0.0.1:1/x",
    ],
    "DAGSTER_DATABASE_URL": [
        "mysql://u:geheim@127.0.0.1/x",
        "geheim",
        "postgresql://u:geheim@127.0.0.1:1/x?nosuch=1",
    ],
    "DAEMON_REPORT_ID": ["0", "my report"],
    "INVENTORY_ASSET_KEYS_IN_PROJECT": ["perhaps"],
}
# Any text may be right, and another setting may stand in for it; or one command alone reads it.
NEVER_WRONG_ALONE = {"TDX_USERNAME", "TDX_PASSWORD", "TDX_API_TOKEN", "TDX_SIMULATOR"}
READ_BY_ONE = {"TDX_CELERY_URL", "TDX_ALERT_URLS"}
COMMANDS = [
    ("process",),
    ("plan",),
    ("ingest",),
    ("baseline", "--pipeline", "compliance"),
    ("process", "--dry-run", "--json"),
]


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    """A new one has to be added to the table."""
    kinds = (Settings, SensorSettings, InventorySettings)
    names = {name for kind in kinds for name in kind.variables()}
    assert names - set(WRONG) == NEVER_WRONG_ALONE | READ_BY_ONE


def settings(seed: int) -> tuple[dict[str, str], list[str]]:
    """Settings of which one to four are wrong, and the names of these."""
    chance = random.Random(seed)
    wrong = chance.sample(sorted(WRONG), chance.randint(1, 4))
    return RIGHT | {name: chance.choice(WRONG[name]) for name in wrong}, wrong


@pytest.mark.parametrize("seed", range(200))
def test_wrong_settings_are_one_sentence_that_names_one_exit_2_and_nothing_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Set in the environment or in `.env`, alone or together with others."""
    assert process  # its module loads the definitions, which read settings too: once, before
    monkeypatch.chdir(tmp_path)
    values, wrong = settings(seed)
    assert_refused(tmp_path, monkeypatch, values, wrong, seed)


ALONE = [(name, value) for name, values in sorted(WRONG.items()) for value in values]


@pytest.mark.parametrize(("name", "value"), ALONE)
def test_each_wrong_value_alone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """So that no other fault speaks for it."""
    monkeypatch.chdir(tmp_path)
    assert_refused(tmp_path, monkeypatch, RIGHT | {name: value}, [name], ALONE.index((name, value)))


def assert_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, str],
    wrong: list[str],
    seed: int,
) -> None:
    """Run a command with wrong settings; the seed says where they are set, and which command."""
    in_file = seed % 2 and not any("Größe" in value for value in values.values())
    if in_file:
        lines = [f"{name}='{value}'\n" for name, value in values.items() if value]
        Path(".env").write_text("".join(lines), encoding="utf-8")
    else:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
    before = dict(os.environ)
    done = CliRunner().invoke(cli, COMMANDS[seed % len(COMMANDS)])
    assert done.exit_code == 2, (wrong, done.output, done.exception)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert any(name in lines[0] for name in wrong), (wrong, lines[0])
    assert "geheim" not in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ([".env"] if in_file else [])
    assert dict(os.environ) == before
