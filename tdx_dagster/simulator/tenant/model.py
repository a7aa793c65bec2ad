"""The records of the simulated tenant: tickets, assets, feeds, links, people, lists.

A record is a dictionary of the fields that are set, by TDX's names; unset values and names that follow
from ids are added by `present`. Does not contain: HTTP, and what calls do.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path

from tdx_dagster.simulator.tenant.constants import (
    ASSET_APP_ID,
    TICKET_APP_ID,
    ItemType,
    UpdateType,
    Value,
)

Record = dict[str, Value]
FILE_FORMAT = 1

_LAST_BEFORE_FIRST = {"tickets": 7000, "assets": 1000, "items": 900_000, "feed": 9000}
"""Ids of different things start far apart, so that a client that mixes them up is found out (case A14)."""


@dataclass
class State:
    """All records of a tenant. Hold `lock` while reading or changing several of them."""

    applications: dict[int, Record] = field(default_factory=dict)
    ticket_statuses: dict[int, Record] = field(default_factory=dict)
    asset_statuses: dict[int, Record] = field(default_factory=dict)
    forms: dict[int, Record] = field(default_factory=dict)
    attributes: dict[int, Record] = field(default_factory=dict)
    lookups: dict[str, dict[int, str]] = field(default_factory=dict)
    """Names by id for each kind: Account, Location, Priority, ProductModel, and so on."""
    people: dict[str, Record] = field(default_factory=dict)
    tickets: dict[int, Record] = field(default_factory=dict)
    assets: dict[int, Record] = field(default_factory=dict)
    items: dict[int, Record] = field(default_factory=dict)
    """Configuration items with no asset behind them; an asset's own follows from the asset."""
    feed: dict[int, Record] = field(default_factory=dict)
    links: dict[int, list[int]] = field(default_factory=dict)
    """Configuration item ids by ticket id, in the order of linking."""
    contacts: dict[int, list[str]] = field(default_factory=dict)
    reports: dict[int, Record] = field(default_factory=dict)
    mails: list[Record] = field(default_factory=list)
    """What `Notify` has sent: TicketID, FeedID, To."""
    truths: dict[int, Record] = field(default_factory=dict)
    """What is right for a sample ticket: kind, expected_asset_ids, why. Never sent by the API."""

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._next: defaultdict[str, int] = defaultdict(int)
        self.reindex()

    def reindex(self) -> None:
        """Rebuild the indexes. Call it after changing the tables directly."""
        self.asset_of_item = {
            asset["ConfigurationItemID"]: number for number, asset in self.assets.items()
        }
        self._feed_of: dict[tuple[int, int], list[int]] = {}
        for number, entry in self.feed.items():
            self._feed_of.setdefault((entry["ItemType"], entry["ItemID"]), []).append(number)

    # ---- reading ---------------------------------------------------------------------------------

    def feed_of_ticket(self, ticket_id: int) -> list[Record]:
        """Return a ticket's feed entries, oldest first."""
        return self._entries(ItemType.TICKET, ticket_id)

    def feed_of_asset(self, asset_id: int) -> list[Record]:
        """Return an asset's feed entries, oldest first."""
        return self._entries(ItemType.ASSET, asset_id)

    def _entries(self, item_type: int, item_id: int) -> list[Record]:
        return [self.feed[number] for number in self._feed_of.get((item_type, item_id), ())]

    def asset_ids_of(self, ticket_id: int) -> list[int]:
        """Return the ids of the assets linked to a ticket in the order of linking, other items left out."""
        linked = self.links.get(ticket_id, ())
        return [self.asset_of_item[item] for item in linked if item in self.asset_of_item]

    def person_named(self, user_name: str) -> Record | None:
        """Find a person by user name, in any case."""
        wanted = user_name.lower()
        found = (person for person in self.people.values() if person["UserName"].lower() == wanted)
        return next(found, None)

    def people_holding(self, text: str) -> Iterable[Record]:
        """Find the people whose name or ids contain a text, in any case."""
        wanted = text.lower()
        names = ("FullName", "UserName", "ExternalID", "AlternateID", "PrimaryEmail")
        return (
            person
            for person in self.people.values()
            if any(wanted in str(person.get(name) or "").lower() for name in names)
        )

    # ---- adding ----------------------------------------------------------------------------------

    def new_id(self, table: str) -> int:
        """Return a new id of a table; replies share the ids of `feed`."""
        with self.lock:
            if not self._next[table]:
                known = list(getattr(self, table))
                if table == "feed":
                    known += [r["ID"] for e in self.feed.values() for r in e.get("Replies", ())]
                if table == "items":
                    known += list(self.asset_of_item)
                self._next[table] = max([*known, _LAST_BEFORE_FIRST.get(table, 0)])
            self._next[table] += 1
            return self._next[table]

    def add_ticket(self, **values: Value) -> Record:
        """Add a ticket without the feed entry that the API call adds.

        Args:
            **values: Fields by TDX's names; ID, AppID and the status are chosen where they are missing.
        """
        with self.lock:
            number: int = values.get("ID") or self.new_id("tickets")
            app = values.get("AppID", TICKET_APP_ID)
            ticket: Record = {
                "AppID": app, "StatusID": self.default_status(app), "Classification": 32,
                "Title": "", "Description": "", "Attributes": {},
            } | values | {"ID": number}  # fmt: skip
            self.tickets[number] = ticket
            return ticket

    def default_status(self, app: int) -> int:
        """Return the status id of an application's new tickets, 0 where it has none."""
        found = (
            number
            for number, status in self.ticket_statuses.items()
            if status["AppID"] == app and status.get("IsDefault")
        )
        return next(found, 0)

    def add_asset(self, **values: Value) -> Record:
        """Add an asset with its configuration item.

        Args:
            **values: Fields by TDX's names; ids are chosen where they are missing.
        """
        with self.lock:
            number = values.get("ID") or self.new_id("assets")
            item = values.get("ConfigurationItemID") or self.new_id("items")
            asset = {"AppID": ASSET_APP_ID, "Attributes": {}} | values
            asset |= {"ID": number, "ConfigurationItemID": item}
            self.assets[number] = asset
            self.asset_of_item[item] = number
            return asset

    def add_person(self, **values: Value) -> Record:
        """Add a person.

        Args:
            **values: Fields by TDX's names; `UID` and `UserName` are needed.
        """
        person: Record = {"IsActive": True, "FullName": "", "Attributes": {}} | values
        with self.lock:
            self.people[person["UID"]] = person
        return person

    def add_feed_entry(self, **values: Value) -> Record:
        """Add a feed entry.

        Args:
            **values: Fields by TDX's names; `ItemID`, `Body`, `CreatedUid` and `CreatedDate` are needed,
                `ItemType` is a ticket's where it is missing, `Replies` is a list of such records.
        """
        with self.lock:
            number: int = values.get("ID") or self.new_id("feed")
            entry: Record = {
                "ItemType": int(ItemType.TICKET), "UpdateType": int(UpdateType.COMMENT),
                "IsPrivate": False, "Replies": [],
            } | values | {"ID": number}  # fmt: skip
            entry.setdefault("LastUpdatedDate", entry["CreatedDate"])
            self.feed[number] = entry
            self._feed_of.setdefault((entry["ItemType"], entry["ItemID"]), []).append(number)
            return entry

    # ---- file ------------------------------------------------------------------------------------

    def as_json(self) -> Record:
        """Copy the whole state into plain objects, one per table, truths included."""
        with self.lock:
            tables: Record = {item.name: getattr(self, item.name) for item in fields(self)}
            copied: Record = json.loads(json.dumps({"format": FILE_FORMAT} | tables))
            return copied


def save_state(state: State, path: str | Path) -> None:
    """Write a state to one JSON file.

    Args:
        state: The state.
        path: The file; what was there is replaced.
    """
    Path(path).write_text(json.dumps(state.as_json(), indent=1), encoding="utf-8")


def load_state(path: str | Path) -> State:
    """Read a state from a file of `save_state`.

    Args:
        path: The file.

    Raises:
        ValueError: The file is not such a file; the text says why.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
        return state_from_json(saved)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a saved simulator state: {error}") from error


def state_from_json(saved: Record) -> State:
    """Make a state from the result of `State.as_json`.

    Args:
        saved: The object.

    Raises:
        ValueError: It has another format, or a table that is not known.
    """
    if saved.get("format") != FILE_FORMAT:
        raise ValueError(f"format {FILE_FORMAT} is expected, not {saved.get('format')!r}")
    tables = {name: table for name, table in saved.items() if name != "format"}
    unknown = set(tables) - {item.name for item in fields(State)}
    if unknown:
        raise ValueError(f"unknown tables: {', '.join(sorted(unknown))}")
    return State(**{name: _with_ids(name, table) for name, table in tables.items()})


def _with_ids(name: str, table: Value) -> Value:
    if name == "people" or isinstance(table, list):
        return table
    if name == "lookups":
        return {kind: _with_ids(kind, rows) for kind, rows in table.items()}
    rows = {int(number): row for number, row in table.items()}
    if name in ("tickets", "assets", "items", "people"):
        for row in rows.values():
            values = row.get("Attributes", {})
            row["Attributes"] = {int(number): value for number, value in values.items()}
    return rows
