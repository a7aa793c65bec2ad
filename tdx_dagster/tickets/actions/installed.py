"""The action types there are: built-in ones, and those of installed packages by their entry points.

Belongs here: finding them by name, and why one cannot be used. Does not: reading a pipeline (`registry`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.add_configuration_item import AddConfigurationItem
from tdx_dagster.tickets.actions.add_contact import AddContact
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.follow_up import FollowUp
from tdx_dagster.tickets.actions.older_action import OlderAction
from tdx_dagster.tickets.actions.related_tickets import RelatedTickets
from tdx_dagster.tickets.actions.set_status import SetStatus
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket

GROUP = "tdx_dagster.actions"

BUILT_IN: Mapping[str, type[Action]] = {
    kind.action_type: kind
    for kind in (
        AddAsset,
        Comment,
        UpdateTicket,
        SetStatus,
        FollowUp,
        RelatedTickets,
        AddContact,
        AddConfigurationItem,
        OlderAction,
        SummaryComment,
    )
}


@dataclass(frozen=True)
class Installed:
    """The action types of installed packages.

    Args:
        kinds: By the name of their entry point.
        packages: Which package each is of.
        faults: Why others cannot be used, by name.
    """

    kinds: Mapping[str, type[Action]]
    packages: Mapping[str, str]
    faults: Mapping[str, str]


@cache
def installed() -> Installed:
    """Load the entry points of the group `tdx_dagster.actions`; one that fails stops none of the others."""
    kinds: dict[str, type[Action]] = {}
    packages: dict[str, str] = {}
    faults: dict[str, str] = {}
    for point in entry_points(group=GROUP):
        package = packages[point.name] = point.dist.name if point.dist else "an unknown package"
        if point.name in BUILT_IN:
            faults[point.name] = f"{package} gives it the name of a built-in action"
        elif point.name in kinds:
            faults[point.name] = f"{package} gives it the name that another package uses"
            del kinds[point.name]
        elif isinstance(loaded := _load(point), str):
            faults[point.name] = f"{package}: {loaded}"
        else:
            kinds[point.name] = loaded
    return Installed(kinds, packages, faults)


def _load(point: EntryPoint) -> type[Action] | str:
    try:
        kind = point.load()
    except Exception as error:  # noqa: BLE001  somebody else's module may raise anything
        return f"{point.value} cannot be imported ({error})"
    if not (isinstance(kind, type) and issubclass(kind, Action)):
        return f"{point.value} is no subclass of tdx_dagster.actions.Action"
    return kind
