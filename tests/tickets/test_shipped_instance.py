"""The `dagster.yaml` that people get, loaded by Dagster itself."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from tdx_dagster.postgres.database import libpq_url

ROOT = Path(__file__).resolve().parents[2]


def test_c10_c11_c12_c15_the_shipped_instance_ends_dead_runs_frees_slots_and_forgets_old_ticks(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each of these is off, or for ever, unless a file says so."""
    monkeypatch.chdir(tmp_path)
    with cluster.database() as url:
        monkeypatch.setenv("DAGSTER_DATABASE_URL", libpq_url(url))
        with dg.DagsterInstance.from_config(str(ROOT)) as instance:
            assert instance.run_monitoring_enabled
            slots = instance.get_concurrency_config()
            assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] == 60
            assert not instance.run_retries_enabled
            limits = slots.run_queue_config.tag_concurrency_limits  # type: ignore[union-attr]
            per_ticket, *per_launcher = limits
            assert (per_ticket["key"], per_ticket["limit"]) == ("dagster/partition", 1)
            # Some slots stay free for what people start by hand.
            most = slots.run_queue_config.max_concurrent_runs  # type: ignore[union-attr]
            assert {one["key"] for one in per_launcher} == {
                "dagster/sensor_name",
                "dagster/backfill",
            }
            assert all(one["limit"] < most for one in per_launcher)
            kept = instance.get_tick_retention_settings(InstigatorType.SENSOR)
            assert kept[TickStatus.SKIPPED] == 1
            assert min(kept.values()) > 0
