"""What a pipeline is, in plain Python: one report, its actions in order, and how it is polled.

Made from a `defs.yaml` by the component in `tdx_dagster.component`; used by the plan, the sensor, the
asset and the command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from tdx_dagster.named_tdx import UNNAMED, resource_key
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.due import Identified
from tdx_dagster.tickets.actions.registry import action_types, read_action


class Mode(StrEnum):
    """Whether a pipeline writes."""

    OBSERVE = "observe"
    ACT = "act"


@dataclass(frozen=True)
class Pipeline:
    """One report with its actions.

    Args:
        name: Folder name of its `defs.yaml`.
        actions: In the order they run on a ticket.
        report_id: The TDX report; None means DAEMON_REPORT_ID.
        ticket_column: The column with the ticket id; None finds it.
        interval_seconds: Seconds between two looks at the report.
        tickets_per_run: At most so many tickets in one run.
        act_on_closed: Act on completed and cancelled tickets too.
        taken_over_at: When an older daemon was stopped that may have worked on tickets without recording it: on
            tickets from before, each effect is looked for before it is written.
        mode: In observe mode each run is a dry run, whatever its config says.
        tdx: Name of the TDX environment its tickets are in; empty: that of TDX_BASE_URL.
    """

    name: str
    actions: tuple[Action, ...]
    report_id: int | None = None
    ticket_column: str | None = None
    interval_seconds: int = 300
    tickets_per_run: int = 30
    act_on_closed: bool = False
    taken_over_at: datetime | None = None
    mode: Mode = Mode.ACT
    tdx: str = UNNAMED

    def resource(self, what: str) -> str:
        """Give the key of a resource of its environment: tools, database, client or polling."""
        return resource_key(what, self.tdx)

    @property
    def observes(self) -> bool:
        """Whether every run is a dry run."""
        return self.mode is Mode.OBSERVE

    @property
    def partitions_name(self) -> str:
        """Name of the dynamic partitions, one a ticket."""
        return f"{self.name}_tickets"

    @property
    def sensor_name(self) -> str:
        """Name of the sensor that polls the report."""
        return f"{self.name}_report"

    @property
    def asset_key(self) -> tuple[str, str]:
        """Key of the partitioned asset."""
        return ("tickets", self.name)

    @cached_property
    def identified(self) -> Mapping[str, Identified]:
        """The actions as the plan knows them, by name; hashed once, since each ticket asks for them."""
        return {action.label: action.identified() for action in self.actions}

    def action(self, label: str) -> Action:
        """Give an action by its name."""
        return next(action for action in self.actions if action.label == label)

    def with_settings(self, overrides: Mapping[str, Mapping[str, Any]]) -> "Pipeline":
        """Give the pipeline with settings of its actions replaced, as the launchpad does.

        Args:
            overrides: Settings by action name.

        Raises:
            BadAction: A value is no good.
        """
        actions = tuple(
            _overridden(action, overrides.get(action.label, {}), self.name)
            for action in self.actions
        )
        return replace(self, actions=actions)


def read_time(setting: str, given: str) -> datetime:
    """Read a time of ISO 8601; one without a zone is UTC.

    Raises:
        ValueError: It is none.
    """
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise ValueError(
            f"{setting} = {given!r} is no time; write it like 2026-01-31T17:00:00Z, in quotes"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _overridden(action: Action, settings: Mapping[str, Any], pipeline: str) -> Action:
    changed = {name: value for name, value in settings.items() if getattr(action, name) != value}
    if not changed:
        return action
    kind = type(action)
    entry = {"type": _type_path(kind), **action.model_dump(), **settings}
    return read_action(entry, f"run config of {pipeline}: {action.label}")


def _type_path(kind: type[Action]) -> str:
    known = {cls: name for name, cls in action_types().items()}
    return known.get(kind, f"{kind.__module__}.{kind.__qualname__}")
