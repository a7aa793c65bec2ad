"""The tenant as the calls see it: its state, its switches, the clock, and who is signed in.

Also what every handler needs to find things or to refuse: tickets and assets in the right application,
permissions, tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from tdx_dagster.simulator import tokens
from tdx_dagster.simulator.messages import Incoming, Refusal
from tdx_dagster.simulator.model import Record, State
from tdx_dagster.simulator.options import Options
from tdx_dagster.simulator.shapes import stamp

ADMIN_NAME = "admin.service"


@dataclass
class Tenant:
    """What a handler works on.

    Args:
        state: The records.
        options: The switches.
        clock: Gives the time now, with a zone.
    """

    state: State
    options: Options
    clock: Callable[[], datetime]
    revoked: set[str] = field(default_factory=set)
    issued: set[str] = field(default_factory=set)

    def now(self) -> str:
        """The time now as TDX writes it.

        Returns:
            ISO 8601, UTC.
        """
        return stamp(self.clock())

    def issue_token(self, user_name: str) -> str:
        """Sign somebody in.

        Args:
            user_name: A person's user name.

        Returns:
            The token.
        """
        token = tokens.issue(user_name, self.clock())
        self.issued.add(token)
        return token

    def expire_tokens(self) -> None:
        """Make every token issued so far worthless, as if its time had run out."""
        self.revoked |= self.issued

    def caller(self, incoming: Incoming) -> Record | None:
        """Who makes a call.

        Args:
            incoming: The request.

        Returns:
            The person, None where the token is missing, garbled, expired or of nobody known.
        """
        kind, _, token = incoming.headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or token in self.revoked:
            return None
        user_name = tokens.user_of(token, self.clock())
        person = None if user_name is None else self.state.person_named(user_name)
        return person if person is not None and person.get("IsActive", True) else None


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose route is known and whose caller is signed in.

    Args:
        incoming: The request.
        ids: What stands for the placeholders of the route; whole numbers are numbers.
        user: The caller; an empty record on sign-in.
    """

    incoming: Incoming
    ids: Mapping[str, Any]
    user: Record


def require_app(tenant: Tenant, app: int, app_class: str) -> None:
    """Refuse a call through an application of the wrong kind, or one the caller may not use.

    Args:
        tenant: The tenant.
        app: The application id in the path.
        app_class: `TDTickets` or `TDAssets`.

    Raises:
        Refusal: 404 or the status for missing permission.
    """
    found = tenant.state.applications.get(app)
    if found is None or found["AppClass"] != app_class or not found.get("Active", True):
        raise Refusal(HTTPStatus.NOT_FOUND, f"There is no such application: {app}.")
    if app in tenant.options.denied_apps:
        raise denied(tenant)


def denied(tenant: Tenant) -> Refusal:
    """The refusal for a missing permission.

    Args:
        tenant: The tenant.

    Returns:
        The refusal, to be raised.
    """
    return Refusal(
        tenant.options.denied_status, "You do not have permission to perform this action."
    )


def ticket_in(tenant: Tenant, call: Call, name: str = "id") -> Record:
    """The ticket a call names, in the application it names (case A11).

    Args:
        tenant: The tenant.
        call: The call.
        name: Placeholder that holds the ticket's id.

    Returns:
        The record.

    Raises:
        Refusal: 404 where it is unknown or lives in another application.
    """
    require_app(tenant, call.ids["app"], "TDTickets")
    ticket = tenant.state.tickets.get(call.ids[name])
    if ticket is None or ticket["AppID"] != call.ids["app"]:
        raise Refusal(
            HTTPStatus.NOT_FOUND, f"Could not find a ticket with an ID of {call.ids[name]}."
        )
    return ticket


def asset_in(tenant: Tenant, call: Call, name: str = "id") -> Record:
    """The asset a call names, in the application it names (case A35).

    Args:
        tenant: The tenant.
        call: The call.
        name: Placeholder that holds the asset's id.

    Returns:
        The record.

    Raises:
        Refusal: 404 where it is unknown or lives in another application.
    """
    require_app(tenant, call.ids["app"], "TDAssets")
    asset = tenant.state.assets.get(call.ids[name])
    if asset is None or asset["AppID"] != call.ids["app"]:
        raise Refusal(
            HTTPStatus.NOT_FOUND, f"Could not find an asset with an ID of {call.ids[name]}."
        )
    return asset
