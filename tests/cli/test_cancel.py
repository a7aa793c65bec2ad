"""A person ends a run in the UI while it waits for TDX."""

from collections.abc import Callable
from typing import Any

import pytest

from tdx_dagster.postgres.database import libpq_url
from tdx_dagster.simulator import Simulator

from .conftest import Shell
from .test_commands import summaries
from .ui import dagster, free_port, until

REPOSITORY = {"repositoryLocationName": "tdx_dagster", "repositoryName": "__repository__"}
ADD = """
mutation ($repository: RepositorySelector!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: "compliance_tickets",
    partitionKey: $key) { __typename } }"""
LAUNCH = """
mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } } }"""
TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"
RUNS = "query { runsOrError { ... on Runs { results { runId status jobName } } } }"


@pytest.mark.slow
def test_c21_f26_a_run_that_is_ended_while_it_reads_is_cancelled_and_nothing_starts_it_again(
    desk: Callable[..., tuple[Shell, Simulator]], cluster: Any
) -> None:
    """Nothing of ours catches the signal; what was under way comes back by the log, done once."""
    shell, simulator = desk(tickets=1, assets=50)
    [ticket] = simulator.state.truths
    assert shell.run("ingest").returncode == 0
    with cluster.database() as url:
        more = {"DAGSTER_DATABASE_URL": libpq_url(url), "TDX_SENSORS": "off"}
        shell = Shell(shell.folder, shell.environment | more)
        slow = simulator.faults.add("GET", "/{app}/tickets/{id}", delay_seconds=60)
        with dagster(shell, free_port()) as ui:
            until("UI", lambda: ui.ask(RUNS))
            added = ui.ask(ADD, repository=REPOSITORY, key=str(ticket))["addDynamicPartition"]
            assert added["__typename"] == "AddDynamicPartitionSuccess"
            tags = [{"key": "dagster/partition", "value": str(ticket)}]
            params = {
                "selector": REPOSITORY | {"jobName": "compliance"},
                "executionMetadata": {"tags": tags},
            }
            run = ui.ask(LAUNCH, params=params)["launchRun"]["run"]["runId"]
            until("read", lambda: simulator.faults.seen(slow))
            assert ui.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
            until("end", lambda: statuses(ui) == {run: "CANCELED"})
        simulator.faults.clear()
        assert shell.run("process").returncode == 0
    assert len(summaries(simulator, ticket)) == 1


def statuses(ui: Any) -> dict[str, str]:
    """Every run over tickets, by id; those of our pages come and go by themselves."""
    runs = ui.ask(RUNS)["runsOrError"]["results"]
    return {one["runId"]: one["status"] for one in runs if one["jobName"] == "compliance"}
