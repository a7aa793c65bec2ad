"""People who change tickets while a client is at work on them, each under an account of their own.

What they do goes through the handlers of the API, so that the feed gets the entries TDX writes, with their
author and time; it needs no token, counts against no limit, meets no fault and is not logged.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from uuid import NAMESPACE_URL, uuid5

from tdx_dagster.simulator.app import App
from tdx_dagster.simulator.tenant.constants import PASSWORD, ZERO_GUID, Value
from tdx_dagster.simulator.tenant.model import Record

SYSTEM = "System"
"""User name of the author that TDX gives its own entries."""


class Technician:
    """One person at the desk.

    Args:
        app: Where the tickets are.
        user_name: Their user name. An unknown one gets an account, with the bot's password; `System` is
            the author of automation rules.
        update_type: `UpdateType` of the entries they cause: a number, None to leave it out, or `right`.
        at: `CreatedDate` of those entries, None for now.
    """

    def __init__(
        self,
        app: App,
        user_name: str,
        *,
        update_type: int | str | None = "right",
        at: str | None = None,
    ) -> None:
        self._app = app
        self._update_type = update_type
        self._at = at
        self.person = _system() if user_name == SYSTEM else _account(app, user_name)

    def add_asset(self, ticket: int, asset: int) -> Value:
        """Add an asset to a ticket."""
        return self._on(ticket, "POST", f"/assets/{asset}")

    def remove_asset(self, ticket: int, asset: int) -> Value:
        """Remove an asset from a ticket."""
        return self._on(ticket, "DELETE", f"/assets/{asset}")

    def comment(
        self, ticket: int, text: str, *, private: bool = True, is_html: bool = False,
        notify: list[str] | None = None,
    ) -> Value:  # fmt: skip
        """Post a comment with exactly this text, as a canned reply is."""
        return self._on(
            ticket, "POST", "/feed",
            {"Comments": text, "IsPrivate": private, "IsRichHtml": is_html, "Notify": notify or []},
        )  # fmt: skip

    def reply(self, entry: int, text: str) -> Value:
        """Reply to a feed entry."""
        return self.call("POST", f"/feed/{entry}", {"Comments": text})

    def change_status(
        self, ticket: int, status: int | str, *, comment: str = "", goes_off_hold: str | None = None
    ) -> Value:
        """Change a ticket's status, given by id or name.

        Args:
            ticket: The ticket.
            status: Id, or name in the ticket's application.
            comment: Text of the same entry.
            goes_off_hold: Date that some statuses need; not together with a comment.
        """
        number = self._status(ticket, status)
        if comment:
            return self._on(ticket, "POST", "/feed", {"Comments": comment, "NewStatusID": number})
        return self.edit(ticket, StatusID=number, GoesOffHoldDate=goes_off_hold)

    def assign(self, ticket: int, user_name: str | None) -> Value:
        """Give a ticket to a person, None to nobody."""
        uid = None if user_name is None else _account(self._app, user_name)["UID"]
        return self.edit(ticket, ResponsibleUid=uid)

    def edit(self, ticket: int, **fields: object) -> Value:
        """Change fields of a ticket; a custom attribute is `attributes/ID`."""
        patch = [{"op": "replace", "path": f"/{name}", "value": fields[name]} for name in fields]
        return self._on(ticket, "PATCH", "", patch)

    def _on(self, ticket: int, method: str, path: str, body: Value = None) -> Value:
        app = self._ticket(ticket)["AppID"]
        return self.call(method, f"/{app}/tickets/{ticket}{path}", body)

    def call(self, method: str, path: str, body: Value = None) -> Value:
        """Make any call of the API as this person.

        Args:
            method: HTTP method.
            path: Path below `/api`.
            body: What is sent.

        Returns:
            The body of the answer.

        Raises:
            ValueError: TDX refuses; the text says why.
        """
        state = self._app.tenant.state
        with state.lock:
            before = set(state.feed)
            answer = self._app.act(self.person, method, path, body)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise ValueError(f"{method} {path}: {answer.status} {answer.body.decode()}")
            for number in set(state.feed) - before:
                self._date(state.feed[number])
        return json.loads(answer.body or b"null")

    def _date(self, entry: Record) -> None:
        if self._update_type != "right":
            entry["UpdateType"] = self._update_type
        if self._at is not None:
            entry |= {"CreatedDate": self._at, "LastUpdatedDate": self._at}

    def _ticket(self, ticket: int) -> Record:
        found: Record | None = self._app.tenant.state.tickets.get(ticket)
        if found is None:
            raise ValueError(f"There is no ticket {ticket}.")
        return found

    def _status(self, ticket: int, status: int | str) -> int:
        if isinstance(status, int):
            return status
        app = self._ticket(ticket)["AppID"]
        for number, row in self._app.tenant.state.ticket_statuses.items():
            if row["AppID"] == app and row["Name"].lower() == status.lower():
                return number
        raise ValueError(f"Application {app} has no status {status!r}.")


ACTIONS: dict[str, Callable[..., Value]] = {
    action.__name__: action
    for action in (
        Technician.add_asset, Technician.remove_asset, Technician.comment, Technician.reply,
        Technician.change_status, Technician.assign, Technician.edit, Technician.call,
    )
}  # fmt: skip
"""What `POST /_simulator/technician` accepts as `do`."""


def _system() -> Record:
    return {"UID": ZERO_GUID, "UserName": SYSTEM, "FullName": SYSTEM}


def _account(app: App, user_name: str) -> Record:
    state = app.tenant.state
    with state.lock:
        known = state.person_named(user_name)
        if known is not None:
            return known
        first, _, last = user_name.partition(".")
        return state.add_person(
            UID=str(uuid5(NAMESPACE_URL, f"person:{user_name}")), UserName=user_name, Password=PASSWORD,
            FirstName=first.title(), LastName=last.title(), FullName=f"{first} {last}".strip().title(),
            PrimaryEmail=f"{user_name}@example.edu", TypeID=1, ReferenceID=200_000 + len(state.people),
        )  # fmt: skip
