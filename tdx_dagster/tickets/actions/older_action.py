"""The `older_action` action: run an action that was written for the older daemon, its writes still once.

Belongs here: calling `execute_action(ticket_id, facade, dry_run, action_context)` and what its answer means.
Does not: the facade (`older_facade`).
"""

import importlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from tdx_dagster.state.records import ActionIdentity
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.older_facade import OlderFacade
from tdx_dagster.tickets.actions.outcome import Performed, RetryLater

SUMMARIES, TICKET = "summaries", "ticket_id"


class OlderAction(Action):
    """Run an action class of the older daemon.

    It is made with `settings` and `version`, and keeps its action id. It gets a facade with the calls that
    such actions use; each write goes through the action log: the n-th post of the action on a ticket is one
    effect.
    """

    action_type: ClassVar[str] = "older_action"

    action: str = Field(pattern=r"^\w+(\.\w+)+$")
    """Dotted path of its class."""
    settings: Mapping[str, Any] = Field(default_factory=dict)
    """What the class is made with, `version` apart."""

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        self.identity()
        return self

    @cached_property
    def older(self) -> Any:  # noqa: ANN401  a class of somebody else
        """The action itself.

        Raises:
            ValueError: Its class cannot be imported, or not be made with these settings.
        """
        module_name, _, name = self.action.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"the older action {self.action!r} cannot be imported ({error})"
            ) from error
        missing = [
            one
            for one in ("execute_action", "get_action_type", "get_action_id", "get_action_hash")
            if not hasattr(kind, one)
        ]
        if missing:
            raise ValueError(
                f"{self.action!r} is no action of the older daemon: it has no {missing[0]}"
            )
        try:
            return kind(**self.settings, version=self.version)
        except TypeError as error:
            raise ValueError(
                f"{self.action!r} cannot be made with these settings: {error}"
            ) from error

    def identity(self) -> ActionIdentity:
        """Give the id that the older daemon gives it."""
        older = self.older
        kind = str(older.get_action_type())
        return ActionIdentity(
            kind,
            self.name or kind,
            str(older.get_action_id()),
            str(older.get_action_hash()),
            self.version,
        )

    @property
    def label(self) -> str:
        """Its name in the pipeline: the older type unless given."""
        return self.name or str(self.older.get_action_type())

    def perform(self, context: ActionContext) -> Performed:
        """Execute it.

        Raises:
            RetryLater: It says that it did not succeed.
        """
        shared: dict[str, Any] = {**context.values, SUMMARIES: [], TICKET: context.ticket.id}
        facade = OlderFacade(context, self.identity().action_id)
        result = self.older.execute_action(
            context.ticket.id,
            facade,
            dry_run=context.write.is_dry_run,
            action_context=shared,
        )
        # Such actions catch every exception and go on; what a write has raised decides all the same.
        if facade.failure is not None:
            raise facade.failure
        if not result.get("success"):
            raise RetryLater(
                str(result.get("message") or "the action says that it did not succeed")
            )
        for key, value in shared.items():
            if key not in {SUMMARIES, TICKET} and context.values.get(key) != value:
                context.values[key] = value
        lines = [*shared[SUMMARIES], result.get("summary") or ""]
        return Performed(
            str(result.get("message") or "Done"),
            summary_lines=[line for line in map(str, lines) if line.strip()],
            evidence=_plain(result.get("details")),
        )


def _plain(details: object) -> Mapping[str, Any]:
    """Keep what can be stored as it is."""
    given = details if isinstance(details, Mapping) else {}
    return {
        str(key): value
        if isinstance(value, (str, int, float, bool, list, dict, type(None)))
        else str(value)
        for key, value in given.items()
    }
