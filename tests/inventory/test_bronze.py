"""Loading bronze on a real PostgreSQL: what is stored and rejected, what a killed load leaves."""

import logging
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tdx_dagster.inventory.bronze import (
    LoadRunning,
    ingest_assets,
    ingest_people,
    ingest_statuses,
)
from tdx_dagster.inventory.load_result import Mode
from tests.inventory.listed import OWNER, Listed, asset

ROOT = Path(__file__).resolve().parents[2]


def rows(database: Engine, statement: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def stored_names(database: Engine) -> list[tuple[Any, ...]]:
    return rows(
        database,
        "SELECT external_id, raw_data ->> 'Name' FROM bronze.raw_entities "
        "ORDER BY external_id, ingested_at",
    )


def test_a_load_stores_each_asset_once_and_a_second_one_nothing(database: Engine) -> None:
    """Bronze grows by what changes, not by how often it is asked."""
    source = Listed([asset(1001), asset(1002)])
    first = ingest_assets(database, source)
    assert (first.processed, first.created, first.updated, first.unchanged) == (2, 2, 0, 0)
    second = ingest_assets(database, source)
    assert (second.processed, second.created, second.updated, second.unchanged) == (2, 0, 0, 2)
    assert rows(database, "SELECT count(*) FROM bronze.raw_entities") == [(2,)]


def test_a_changed_asset_becomes_a_second_version(database: Engine) -> None:
    """History stays; the latest version counts (case E04)."""
    ingest_assets(database, Listed([asset(1001, "OLD-PC1")]))
    result = ingest_assets(database, Listed([asset(1001, "NEW-PC1")]))
    assert (result.created, result.updated) == (0, 1)
    assert stored_names(database) == [("1001", "OLD-PC1"), ("1001", "NEW-PC1")]


def test_e01_a_nul_character_is_taken_out_and_the_others_go_in(database: Engine) -> None:
    """One field of one asset must not stop a load."""
    source = Listed([asset(1, "LAB\0PC"), asset(2, "A\ud800B"), asset(3, "É-😀")])
    result = ingest_assets(database, source)
    assert stored_names(database) == [("1", "LABPC"), ("2", "AB"), ("3", "É-😀")]
    assert result.repairs == {"NUL or half a character": 2}


def test_e03_nan_is_null_before_it_can_become_text(database: Engine) -> None:
    """The text 'nan' as a serial number would equal every other one."""
    ingest_assets(database, Listed([asset(1, PurchaseCost=math.nan, SerialNumber=math.nan)]))
    stored = rows(
        database,
        "SELECT raw_data -> 'PurchaseCost', raw_data -> 'SerialNumber' FROM bronze.raw_entities",
    )
    assert stored == [(None, None)]


def test_e12_a_record_that_cannot_be_stored_is_kept_out_alone(database: Engine) -> None:
    """99 of 100 go in, one is shown, and the load completes with a warning."""
    records: list[object] = [asset(number) for number in range(1, 100)]
    records.insert(50, asset("x" * 300))
    result = ingest_assets(database, Listed(records))
    assert (result.created, len(result.rejected)) == (99, 1)
    assert "1 of 100 records rejected (first: number 50: ID 'xxx" in str(result.warning)
    (run,) = rows(
        database, "SELECT status, records_created, error_message FROM meta.ingestion_runs"
    )
    assert run == ("completed", 99, result.warning)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "NoneType instead of an object"),
        ([], "list instead of an object"),
        (asset(None), "ID None is no id"),
        (asset(0), "ID 0 is no id"),
        (asset(2**70), "is no id"),
        (
            asset(5, Deep=__import__("functools").reduce(lambda deep, _: [deep], range(5000), [])),
            "nested",
        ),
        (asset(5, Big="x" * 17_000_000), "more than 16,000,000"),
        (asset(5, Number=10**200_000), "no JSON"),
    ],
    ids=["null", "list", "id null", "id zero", "id too large", "deep", "17 MB", "endless number"],
)
def test_a_hostile_record_is_kept_out_alone(database: Engine, bad: object, reason: str) -> None:
    """Whatever one record holds, the others go in."""
    result = ingest_assets(database, Listed([asset(1), bad, asset(2)]))
    assert [one.position for one in result.rejected] == [1]
    assert reason in result.rejected[0].reason
    assert [external_id for external_id, _ in stored_names(database)] == ["1", "2"]


def test_a_record_of_eight_megabytes_goes_in(database: Engine) -> None:
    """Large is not wrong."""
    result = ingest_assets(database, Listed([asset(1, Notes="x" * 8_000_000), asset(2)]))
    assert (result.created, result.rejected) == (2, ())


def test_a_record_that_only_the_database_refuses_is_kept_out_alone(database: Engine) -> None:
    """People put indexes on their bronze that not every value fits into."""
    with database.begin() as connection:
        connection.execute(text("CREATE INDEX ON bronze.raw_entities ((raw_data ->> 'Name'))"))
    long_name = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    result = ingest_assets(database, Listed([asset(1), asset(2, long_name), asset(3)]))
    assert (result.created, result.rejected[0].external_id) == (2, "2")
    assert "index row" in result.rejected[0].reason


def test_e16_of_one_id_twice_the_last_modified_wins(database: Engine) -> None:
    """Overlapping searches list one machine in two states."""
    newer = asset(1001, StatusName="Retired", ModifiedDate="2026-11-02T08:00:00Z")
    older = asset(1001, StatusName="Active", ModifiedDate="2026-11-01T08:00:00Z")
    result = ingest_assets(database, Listed([newer, older]))
    assert (result.created, result.repeated) == (1, 1)
    assert rows(database, "SELECT raw_data ->> 'StatusName' FROM bronze.raw_entities") == [
        ("Retired",)
    ]


def test_an_incremental_load_asks_from_a_day_before_the_last_start(database: Engine) -> None:
    """From the start, since changes during the last load may have been missed by it."""
    source = Listed([asset(1)])
    first = ingest_assets(database, source, mode=Mode.INCREMENTAL)
    second = ingest_assets(database, source, mode=Mode.INCREMENTAL)
    assert (first.mode, second.mode) == (Mode.FULL, Mode.INCREMENTAL)
    (lag,) = rows(database, "SELECT extract(epoch FROM min(started_at)) FROM meta.ingestion_runs")
    assert source.asked_from[0] is None
    assert source.asked_from[1] is not None
    assert source.asked_from[1].timestamp() == pytest.approx(float(lag[0]) - 86400, abs=0.001)


@pytest.mark.parametrize("unset", [None, "0001-01-01T00:00:00", "0001-01-01T05:00:00Z", "soon"])
def test_e23_a_record_without_a_date_counts_as_changed(database: Engine, unset: str | None) -> None:
    """Such a record would never be loaded by a filter on dates."""
    ingest_assets(database, Listed([asset(1)]))
    result = ingest_assets(database, Listed([asset(2, ModifiedDate=unset)]), mode=Mode.INCREMENTAL)
    assert result.created == 1


def test_e15_a_row_left_running_by_a_killed_load_is_closed(database: Engine) -> None:
    """Otherwise every later load takes one to be active."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO meta.ingestion_runs (source_system, entity_type, started_at, metadata) VALUES "
                "('tdx', 'asset', now() - interval '1 minute', '{\"loader\": \"tdx-dagster\"}')"
            )
        )
    ingest_assets(database, Listed([asset(1)]))
    found = rows(database, "SELECT status FROM meta.ingestion_runs ORDER BY started_at")
    assert [status for (status,) in found] == ["failed", "completed"]


def test_e15_a_second_load_at_once_refuses(database: Engine) -> None:
    """Two loads would see each other's rows only half."""

    def assets_while_another_starts() -> Iterable[object]:
        yield asset(1)
        with pytest.raises(LoadRunning, match="Another load of tdx asset is running"):
            ingest_assets(database, Listed([asset(2)]))
        assert ingest_statuses(database, Listed()).processed == 0

    ingest_assets(database, Listed(assets_while_another_starts()))
    assert ingest_assets(database, Listed([asset(3)])).created == 1


def test_a_source_that_fails_half_way_leaves_nothing_but_a_failed_run(database: Engine) -> None:
    """Half an inventory looks like a whole one to whoever asks it."""

    def broken() -> Iterable[object]:
        yield from (asset(number) for number in range(1, 3000))
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        ingest_assets(database, Listed(broken()))
    assert rows(database, "SELECT count(*) FROM bronze.raw_entities") == [(0,)]
    (run,) = rows(database, "SELECT status, error_message FROM meta.ingestion_runs")
    assert run == ("failed", "ConnectionResetError: gone")
    assert ingest_assets(database, Listed([asset(1)])).created == 1


def test_a_full_load_marks_what_is_no_longer_there_and_takes_it_back(database: Engine) -> None:
    """A deleted computer must not be attached to tickets."""
    everything = [asset(number) for number in range(1, 5)]
    ingest_assets(database, Listed(everything))
    assert ingest_assets(database, Listed(everything[:3])).gone == 1
    assert ingest_assets(database, Listed(everything[:3])).gone == 0
    marked = "SELECT external_id, raw_data ->> 'ID' FROM bronze.raw_entities WHERE ingestion_metadata ? 'gone'"
    assert rows(database, marked) == [("4", "4")]
    assert ingest_assets(database, Listed(everything)).updated == 1


def test_an_incremental_load_marks_nothing_as_gone(database: Engine) -> None:
    """It sees only what changed."""
    ingest_assets(database, Listed([asset(1), asset(2)]))
    assert ingest_assets(database, Listed([]), mode=Mode.INCREMENTAL).gone == 0


def test_too_many_missing_at_once_are_not_believed(database: Engine) -> None:
    """An account that lost a permission sees an empty inventory."""
    ingest_assets(database, Listed([asset(number) for number in range(1, 101)]))
    result = ingest_assets(database, Listed([asset(1)]))
    assert (result.gone, result.gone_withheld) == (0, 99)
    assert "too many to be marked as gone" in str(result.warning)


def test_a_record_that_is_kept_out_is_not_gone(database: Engine) -> None:
    """It is there, only unreadable today."""
    ingest_assets(database, Listed([asset(1), asset(2)]))
    result = ingest_assets(database, Listed([asset(1), asset(2, Number=10**200_000)]))
    assert (len(result.rejected), result.gone) == (1, 0)


def test_only_people_who_own_something_are_asked_for(database: Engine) -> None:
    """A university has a hundred times more people than that."""
    retired = asset(2, OwningCustomerID="00000000-0000-0000-0000-000000000000")
    source = Listed(
        [asset(1, OwningCustomerID=OWNER.upper()), retired], [{"UID": OWNER, "FullName": "A B"}]
    )
    ingest_assets(database, source)
    assert ingest_people(database, source).created == 1
    assert source.asked_people == [OWNER]
    assert ingest_people(database, source).unchanged == 1


def test_progress_and_bad_records_are_told_in_the_log(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """A load of a large inventory takes minutes."""
    caplog.set_level(logging.INFO)
    records: list[object] = [asset(number) for number in range(1, 1502)]
    ingest_assets(database, Listed([*records, None]))
    assert "asset: 1000 records read" in caplog.text
    assert "asset number 1501 rejected: a NoneType instead of an object" in caplog.text


def test_marks_of_copy_in_a_value_are_kept_as_they_are(database: Engine) -> None:
    """Backslashes and tabs mean something to the bulk load."""
    name = 'a\\b\tc\nd\\N"e'
    ingest_assets(database, Listed([asset(1, name)]))
    assert stored_names(database) == [("1", name)]


def test_a_first_load_does_not_compare_every_asset_with_every_other(database: Engine) -> None:
    """An empty table has no statistics: the plan must not hang on them (41,000 took minutes)."""
    with database.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f'ALTER DATABASE "{name}" SET statement_timeout = 1500'))
    database.dispose()
    result = ingest_assets(database, Listed([{"ID": number + 1} for number in range(8000)]))
    assert (result.created, result.gone) == (8000, 0)


KILLED = """
import os, signal, sys
from tdx_dagster.inventory.bronze import ingest_assets
from tdx_dagster.postgres.database import engine
from tests.inventory.listed import Listed, asset

def assets():
    yield from (asset(number) for number in range(1, 2500))
    os.kill(os.getpid(), signal.SIGKILL)

ingest_assets(engine(sys.argv[1]), Listed(assets()))
"""


def test_e15_a_load_that_is_killed_half_way_leaves_nothing_and_the_next_one_works(
    database: Engine, database_url: str
) -> None:
    """A real kill: no rows, no lock, and a row of the run that the next load closes."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database_url], cwd=ROOT, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert rows(database, "SELECT count(*) FROM bronze.raw_entities") == [(0,)]
    assert rows(database, "SELECT status FROM meta.ingestion_runs") == [("running",)]
    # PostgreSQL notices within moments that nobody is there any more.
    deadline = time.monotonic() + 20
    while rows(database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"):
        assert time.monotonic() < deadline
    assert ingest_assets(database, Listed([asset(1)])).created == 1
    assert rows(database, "SELECT status FROM meta.ingestion_runs ORDER BY started_at") == [
        ("failed",),
        ("completed",),
    ]
