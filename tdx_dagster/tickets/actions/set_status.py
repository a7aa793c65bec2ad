"""The `status` action: set the status without a comment, as `update_ticket` sets any field.

A status that goes with a comment is set by `comment`, in the same call.
"""

from collections.abc import Mapping
from typing import ClassVar

from tdx_dagster.tickets.actions.field_action import FieldAction, Given
from tdx_dagster.tickets.actions.field_changes import Expected
from tdx_dagster.tickets.actions.lookups import ByLookup


class SetStatus(FieldAction):
    """Set the status without a comment.

    It is set only where nobody has changed it since the robot read or set it, and where it is one of
    `from_statuses` (empty: any).
    """

    action_type: ClassVar[str] = "status"
    effect_prefix: ClassVar[str] = "status"
    templated: ClassVar[tuple[str, ...]] = ("status",)

    status: int | str | ByLookup
    """The status, by id or name."""
    from_statuses: tuple[int | str, ...] = ()
    """Set it only where it is one of these, by id or name; empty: any."""

    def given(self) -> Mapping[str, Given]:
        """See `FieldAction.given`."""
        return {"status": self.status}

    def expected_values(self) -> Expected:
        """See `FieldAction.expected_values`."""
        return {"status": self.from_statuses} if self.from_statuses else {}
