"""Runs on Celery workers: two processes as on two machines, one of which dies in the middle."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tdx_dagster.postgres.database import connect, libpq_url
from tdx_dagster.simulator import Simulator

from .conftest import ROOT, Shell
from .test_commands import summaries
from .ui import free_port, service, until

Desk = Callable[..., tuple[Shell, Simulator]]
TICKETS = 40


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test; gives its URL."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on PATH: apt-get install redis-server")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    shell = Shell(tmp_path, dict(os.environ))
    with service(shell, "redis", *command, "--dir", str(tmp_path)):
        until(
            "Redis", lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() or 1
        )
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def celery_desk(desk: Desk, cluster: Any, redis: str) -> Iterator[Desk]:
    """Makes a shell whose Dagster hands runs to Celery."""
    with cluster.database() as url:

        def make(**how: Any) -> tuple[Shell, Simulator]:
            shell, simulator = desk(**how)
            home = shell.folder / "home"
            home.mkdir()
            shutil.copy(ROOT / "dagster.celery.yaml", home / "dagster.yaml")
            more = {
                "DAGSTER_HOME": str(home),
                "DAGSTER_DATABASE_URL": libpq_url(url),
                "TDX_CELERY_URL": redis,
                "TDX_SENSORS": "on",
                "TDX_POLL_SECONDS": "5",
                "TDX_LEASE_SECONDS": "10",
                "TDX_SETTLE_SECONDS": "8",
                "TDX_WRITE_SECONDS": "8",
            }
            # Dagster's processes read it in their working folder; the environment comes first all the same.
            nowhere = "http://127.0.0.1:1/TDWebApi"
            other = "postgresql://nobody@127.0.0.1:1/none"
            (shell.folder / ".env").write_text(f"TDX_BASE_URL={nowhere}\nDATABASE_URL={other}\n")
            return Shell(shell.folder, shell.environment | more), simulator

        yield make


@pytest.mark.slow
def test_a_worker_that_dies_in_the_middle_leaves_every_ticket_to_be_done_once(
    celery_desk: Desk,
) -> None:
    """Cases C12 and F28, on two machines: nobody tells Dagster, the lease runs out, the next tick goes on."""
    shell, simulator = celery_desk(tickets=TICKETS, assets=200)
    assert shell.run("ingest", DAGSTER_HOME=str(ROOT)).returncode == 0
    truth = simulator.state.truths
    # Long enough that both workers are in the middle of their runs, and shorter than the lease.
    simulator.faults.add("*", "/{app}/tickets/{id}/feed", delay_seconds=6.0)

    def told() -> int:
        return sum(bool(summaries(simulator, ticket)) for ticket in truth)

    with ExitStack() as services:

        def start(name: str, *command: str) -> "subprocess.Popen[bytes]":
            return services.enter_context(service(shell, name, sys.executable, "-m", *command))

        victim = start("first", *worker("first"))
        start("daemon", "dagster._daemon", "run", "-w", str(ROOT / "workspace.yaml"))
        until("run at work", lambda: runs_at_work(shell))
        # The first one is busy for a minute, and must not have kept the other run for itself.
        start("second", *worker("second"))
        until("two runs at work", lambda: runs_at_work(shell) > 1)
        os.killpg(victim.pid, signal.SIGKILL)
        before = told()
        simulator.faults.clear()
        until("last summary", lambda: told() == TICKETS)
    assert before < TICKETS
    assert {ticket: len(summaries(simulator, ticket)) for ticket in truth} == dict.fromkeys(
        truth, 1
    )
    assert {ticket: sorted(simulator.state.asset_ids_of(ticket)) for ticket in truth} == {
        ticket: sorted(it["expected_asset_ids"]) for ticket, it in truth.items()
    }


def runs_at_work(shell: Shell) -> int:
    """How many runs hold a claim."""
    with connect(shell.environment["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT run_id) FROM meta.daemon_action_log WHERE status = 'in_progress'"
        )
        [found] = cursor.fetchone() or (0,)
    return int(found)


def worker(name: str) -> tuple[str, ...]:
    """The words that start one."""
    return ("tdx_dagster", "worker", "--concurrency", "1", "--name", name)


def test_a_worker_without_a_broker_or_beside_another_launcher_says_what_to_mend(
    desk: Desk, tmp_path: Path
) -> None:
    """Else it would wait for runs that never come."""
    shell, _ = desk(tickets=1, assets=10)
    plain = shell.run("worker")
    assert plain.returncode == 2
    assert "dagster.celery.yaml" in plain.stderr
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.celery.yaml", home / "dagster.yaml")
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    silent = shell.run("worker", DAGSTER_HOME=str(home), TDX_CELERY_URL=nowhere)
    assert silent.returncode == 2
    assert "TDX_CELERY_URL" in silent.stderr
    assert "Traceback" not in silent.stderr


def test_a_machine_finds_its_broker_and_its_instance_in_its_env_file(
    desk: Desk, tmp_path: Path
) -> None:
    """Each machine has its settings in one place, and Dagster's own services get them from there."""
    shell, _ = desk(tickets=1, assets=10)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.celery.yaml", home / "dagster.yaml")
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    own = f"DAGSTER_HOME={home}\nTDX_CELERY_URL={nowhere}\n"
    (shell.folder / ".env").write_text(own, encoding="utf-8")
    plain = {k: v for k, v in shell.environment.items() if k != "DAGSTER_HOME"}
    shell = Shell(shell.folder, plain)
    assert f"TDX_CELERY_URL={nowhere}" in shell.run("env").stdout
    assert "the broker does not answer" in shell.run("worker").stderr


def test_the_values_for_kubernetes_set_the_limits_of_the_other_instances() -> None:
    """Dagster's chart has other names for them, and no file of ours."""
    plain, chart = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("dagster.celery.yaml", "deploy/kubernetes/values.yaml")
    )
    daemon = chart["dagsterDaemon"]
    queue = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    runs = plain["concurrency"]["runs"]
    assert queue["maxConcurrentRuns"] == runs["max_concurrent_runs"]
    assert queue["tagConcurrencyLimits"] == runs["tag_concurrency_limits"]
    assert (
        queue["dequeueIntervalSeconds"]
        == plain["run_coordinator"]["config"]["dequeue_interval_seconds"]
    )
    watch = plain["run_monitoring"]
    assert daemon["runMonitoring"]["startTimeoutSeconds"] == watch["start_timeout_seconds"]
    assert daemon["runMonitoring"]["pollIntervalSeconds"] == watch["poll_interval_seconds"]
    assert daemon["runRetries"]["enabled"] is plain["run_retries"]["enabled"] is False
    kept = plain["retention"]["sensor"]["purge_after_days"]
    assert chart["retention"]["sensor"]["purgeAfterDays"] == kept


def test_the_instance_for_celery_differs_from_the_other_in_its_launcher_alone() -> None:
    """What one learns must reach the other."""
    plain, celery = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("dagster.yaml", "dagster.celery.yaml")
    )
    assert celery.pop("run_launcher")["class"] == "CeleryRunLauncher"
    assert celery["concurrency"]["runs"].pop("max_concurrent_runs") > 0
    assert celery["run_monitoring"].pop("max_runtime_seconds") > 0
    plain["concurrency"]["runs"].pop("max_concurrent_runs")
    for instance in (plain, celery):
        for limit in instance["concurrency"]["runs"]["tag_concurrency_limits"]:
            limit.pop("limit")
    assert celery == plain
