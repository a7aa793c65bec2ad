"""Everything that can start work on a ticket, at the same time on the same tickets, in real processes."""

from collections.abc import Callable
from typing import Any

import pytest

from tdx_dagster.postgres.database import libpq_url
from tdx_dagster.simulator import Simulator

from .conftest import Shell
from .test_commands import summaries
from .ui import BACKFILL, BACKFILL_STATUS, TICKS, dagster, free_port, until

TICKETS = 50
PARTITIONS = """
query { assetNodeOrError(assetKey: {path: ["tickets", "compliance"]}) {
  ... on AssetNode { partitionKeys } } }"""

UNFINISHED = """
query { runsOrError(filter: {statuses: [NOT_STARTED, QUEUED, STARTING, STARTED]}, limit: 1) {
  ... on Runs { results { id } } } }"""


@pytest.mark.slow
def test_sensor_ticks_a_backfill_and_process_at_once_on_50_tickets_leave_50_summaries(
    desk: Callable[..., tuple[Shell, Simulator]], cluster: Any
) -> None:
    """C10, C28: three ways to start work, none knowing of the others; the claim decides."""
    shell, simulator = desk(tickets=TICKETS, assets=300)
    assert shell.run("ingest").returncode == 0
    with cluster.database() as url:
        shell = Shell(
            shell.folder,
            shell.environment
            | {
                "DAGSTER_DATABASE_URL": libpq_url(url),
                "TDX_SENSORS": "on",
                "TDX_POLL_SECONDS": "5",
            },
        )
        with dagster(shell, free_port()) as ui:
            tickets = until(
                "partitions",
                lambda: (
                    len(keys := ui.ask(PARTITIONS)["assetNodeOrError"]["partitionKeys"]) == TICKETS
                    and keys
                ),
            )
            backfill = ui.ask(
                BACKFILL,
                params={
                    "assetSelection": [{"path": ["tickets", "compliance"]}],
                    "partitionNames": tickets,
                },
            )["launchPartitionBackfill"]
            passes = [shell.start("process", "--json") for _ in range(2)]
            ended = [one.communicate(timeout=180) for one in passes]
            until(
                "finished backfill",
                lambda: (
                    ui.ask(BACKFILL_STATUS, id=backfill["backfillId"])["partitionBackfillOrError"][
                        "status"
                    ]
                    == "COMPLETED_SUCCESS"
                ),
            )
            until("end of all runs", lambda: not ui.ask(UNFINISHED)["runsOrError"]["results"])
            asked_by_sensor = sum(
                len(one["runIds"]) for one in ui.ask(TICKS)["sensorOrError"]["sensorState"]["ticks"]
            )
    assert [one.returncode for one in passes] == [0, 0], ended
    assert asked_by_sensor > 0
    truth = simulator.state.truths
    assert {ticket: len(summaries(simulator, ticket)) for ticket in truth} == dict.fromkeys(
        truth, 1
    )
    assert {ticket: sorted(simulator.state.asset_ids_of(ticket)) for ticket in truth} == {
        ticket: sorted(it["expected_asset_ids"]) for ticket, it in truth.items()
    }
