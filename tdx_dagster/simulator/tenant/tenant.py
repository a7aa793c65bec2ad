"""The tenant as handlers see it: state, switches, clock, the caller, and the call.

Also contains what most handlers need: finding a ticket or asset in the right application, and refusing.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from tdx_dagster.simulator import tokens
from tdx_dagster.simulator.messages import Incoming, Refusal
from tdx_dagster.simulator.tenant import shapes
from tdx_dagster.simulator.tenant.constants import Value
from tdx_dagster.simulator.tenant.model import Record, State
from tdx_dagster.simulator.tenant.options import Options
from tdx_dagster.simulator.tenant.shapes import UnreadableInputError, stamp

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
    _last_serial: int = field(default=0, init=False)
    _worthless_up_to: int = field(default=0, init=False)

    def now(self) -> str:
        """Return the time as TDX writes it."""
        return stamp(self.clock())

    def issue_token(self, user_name: str) -> str:
        """Issue a token to a user name."""
        with self.state.lock:
            self._last_serial = max(self._last_serial + 1, time.time_ns())
            claims = tokens.Claims(user_name, self._last_serial)
        return tokens.issue(claims, self.clock())

    def expire_tokens(self) -> None:
        """Invalidate every token issued so far."""
        self._worthless_up_to = max(self._last_serial, time.time_ns())
        self._last_serial = self._worthless_up_to

    def caller(self, incoming: Incoming) -> Record | None:
        """Find the person who makes a call, None for a missing, invalid or expired token."""
        kind, _, token = incoming.headers.get("authorization", "").strip().partition(" ")
        claims = tokens.read(token.strip(), self.clock()) if kind.lower() == "bearer" else None
        if claims is None or claims.serial <= self._worthless_up_to:
            return None
        person = self.state.person_named(claims.user_name)
        return person if person is not None and person.get("IsActive", True) else None


@dataclass(frozen=True, slots=True)
class Call:
    """A call with its route's values and its caller.

    Args:
        incoming: The request.
        ids: What stands for the placeholders of the route; whole numbers are numbers.
        user: The caller; an empty record on sign-in.
    """

    incoming: Incoming
    ids: Mapping[str, Any]
    user: Record

    def read(self, shape: str) -> Record:
        """Read the body as an input type.

        Args:
            shape: The type's name.

        Returns:
            All fields of the type, the sent ones filled in. An empty body counts as `{}`.

        Raises:
            Refusal: 400 where the body does not fit.
        """
        body = self.incoming.json()
        try:
            return shapes.read(shape, {} if body is None else body)
        except UnreadableInputError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error

    def parameters(self, **kinds: str) -> Record:
        """Read several query parameters.

        Args:
            **kinds: Kind by parameter name, as in `shapes.json`.

        Returns:
            The value by name, None where it was not sent or was empty.

        Raises:
            Refusal: 400 for a value that does not fit.
        """
        return {name: self._parameter(name, kind) for name, kind in kinds.items()}

    def _parameter(self, name: str, kind: str) -> Value:
        text = self.incoming.parameter(name)
        if text is None or not text.strip():
            return None
        try:
            return shapes.read_field(shapes.plain_field(name, kind), text)
        except UnreadableInputError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error


def require_app(tenant: Tenant, app: int, app_class: str) -> None:
    """Refuse an application of the wrong kind, or one the caller may not use.

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
    """Build the refusal for a missing permission."""
    return Refusal(
        tenant.options.denied_status, "You do not have permission to perform this action."
    )


def ticket_in(tenant: Tenant, call: Call) -> Record:
    """Find the ticket that a call names, in the application that it names (case A11).

    Raises:
        Refusal: 404 where it is unknown or belongs to another application.
    """
    require_app(tenant, call.ids["app"], "TDTickets")
    return _found(call, tenant.state.tickets, "a ticket")


def asset_in(tenant: Tenant, call: Call) -> Record:
    """Find the asset that a call names, in the application that it names (case A35).

    Raises:
        Refusal: 404 where it is unknown or belongs to another application.
    """
    require_app(tenant, call.ids["app"], "TDAssets")
    return _found(call, tenant.state.assets, "an asset")


def _found(call: Call, table: Mapping[int, Record], what: str) -> Record:
    record = table.get(call.ids["id"])
    if record is None or record["AppID"] != call.ids["app"]:
        message = f"Could not find {what} with an ID of {call.ids['id']}."
        raise Refusal(HTTPStatus.NOT_FOUND, message)
    return record
