"""A sample tenant from a seed: people, computers, and tickets whose right answer is known.

The tickets come in equal shares of the kinds in `KINDS`. `State.truths` holds the assets each must have in
the end, and why. The API never shows it.
"""

from collections.abc import Callable
from datetime import timedelta

from tdx_dagster.simulator.sample.blank import (
    IN_PROCESS,
    INVENTORY_ATTRIBUTE_ID,
    LAB_ATTRIBUTE_ID,
    NEW,
    WAITING,
    blank_state,
)
from tdx_dagster.simulator.sample.chance import Dice
from tdx_dagster.simulator.sample.computers import FILLER_SERIALS, ComputerMaker
from tdx_dagster.simulator.sample.texts import DECOYS, TextMaker
from tdx_dagster.simulator.tenant.constants import (
    ACTIVE_STATUS_ID,
    BEID,
    COMPUTER_FORM_ID,
    ZERO_GUID,
    UpdateType,
)
from tdx_dagster.simulator.tenant.model import Record, State
from tdx_dagster.simulator.tenant.shapes import parse_date, stamp

KINDS = (
    "title",
    "description",
    "feed",
    "reply",
    "requestor_one",
    "requestor_several",
    "requestor_none",
    "attached",
)
"""Where the identifier is, or how many computers the requestor has where there is none."""

SAMPLE_NOW = parse_date("2026-11-02T14:00:00Z")
"""All sample dates are before this, so that what a client writes comes later."""

_FIRST = (
    "Ada", "Bela", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hanna", "Imani", "Jonas", "Keiko",
    "Lena", "Mateo", "Nadia", "Oskar", "Priya", "Quinn", "Rosa", "Sami", "Tomas", "Uma", "Viktor",
    "Wanda", "Xenia", "Yusuf", "Zoe",
)  # fmt: skip
_LAST = (
    "Abernathy", "Bauer", "Castellan", "Dahl", "Eklund", "Ferreira", "Gruber", "Hollis", "Ibarra",
    "Jansen", "Kowal", "Lindqvist", "Marchetti", "Novak", "Okafor", "Petrov", "Quist", "Rasmussen",
    "Sandoval", "Tanaka", "Umar", "Vargas", "Winther", "Yilmaz", "Zimmer",
)  # fmt: skip
_SPREAD_DAYS = 900
_TECHNICIANS = 4
_OWNERLESS = 3
"""So many people own nothing, however few there are; some tickets need one of them."""


def sample_state(tickets: int = 30, assets: int = 2000, seed: int = 7) -> State:
    """Make a sample tenant.

    Args:
        tickets: How many tickets are in the queue.
        assets: How many assets there are.
        seed: The same seed gives the same tenant.

    Returns:
        The state. With too few assets, some tickets become `requestor_none`.
    """
    sampler = _Sampler(Dice(seed))
    sampler.add_people(max(12, assets // 2))
    sampler.add_assets(assets)
    sampler.add_tickets(tickets)
    return sampler.state


class _Sampler:
    def __init__(self, rng: Dice) -> None:
        self.state = blank_state()
        self.rng = rng
        self.texts = TextMaker(rng)
        self._maker = ComputerMaker(rng, set(DECOYS))
        self._people: list[Record] = []
        self._owners: list[Record] = []
        self.technicians: list[Record] = []
        self.nameable: list[Record] = []

    # ---- people and assets -----------------------------------------------------------------------

    def add_people(self, number: int) -> None:
        for row in range(number + _TECHNICIANS):
            person = self._person(row, technician=row < _TECHNICIANS)
            (self.technicians if row < _TECHNICIANS else self._people).append(person)

        self._owners = self._people[_OWNERLESS:]

    def _person(self, row: int, *, technician: bool) -> Record:
        rng = self.rng
        first, last = rng.choice(_FIRST), rng.choice(_LAST)
        user_name = f"{first[0]}{last[:6]}{row}".lower()
        return self.state.add_person(
            UID=self._guid(), ReferenceID=1000 + row, UserName=user_name, FirstName=first, LastName=last,
            FullName=f"{first} {last}", PrimaryEmail=f"{user_name}@example.edu", BEID=BEID, BEIDInt=53,
            AuthenticationUserName=f"{user_name}@example.edu", ExternalID=f"{rng.getrandbits(27):08d}",
            IsActive=technician or self.rng.chance(0.97), IsEmployee=True,
            TypeID=1 if technician else 2, DefaultAccountID=rng.randint(201, 212),
            WorkPhone="734-555-0142", GroupIDs=[861] if technician else [], TZID=2,
            TZName="(GMT-05:00) Eastern Time",
        )  # fmt: skip

    def add_assets(self, number: int) -> None:
        made = 0
        while made < number:
            is_computer = self.rng.chance(0.88)
            asset = self._asset(self._maker.computer() if is_computer else self._maker.other())
            made += 1
            if made < number and _active(asset) and asset["Name"] and self.rng.chance(0.02):
                self._asset(self._maker.twin_of(self._identity(asset)))
                made += 1
        self.nameable = [a for a in self.state.assets.values() if _active(a) and _handles(a)]
        self.rng.shuffle(self.nameable)

    def _identity(self, asset: Record) -> Record:
        names = ("Name", "FormID", "StatusID", "ManufacturerID", "ProductModelID", "SupplierID")
        return {name: asset[name] for name in names}

    def _asset(self, fields: Record) -> Record:
        rng = self.rng
        owner = rng.choice(self._owners)["UID"] if self.rng.chance(0.75) else ZERO_GUID
        created = SAMPLE_NOW - timedelta(
            days=rng.randint(60, _SPREAD_DAYS), seconds=rng.randint(0, 86_399)
        )
        changed = created + timedelta(days=rng.randint(0, 59), milliseconds=rng.randint(0, 999))
        more: Record = {"Attributes": {}}
        if self.rng.chance(0.1):
            more["Attributes"] = {INVENTORY_ATTRIBUTE_ID: "Checked in spring"}
        if self.rng.chance(0.3):
            more["AcquisitionDate"] = stamp(created)
        return self.state.add_asset(
            **fields, OwningCustomerID=owner, OwningDepartmentID=rng.randint(201, 212),
            LocationID=rng.choice((0, 301, 302, 303, 304)), CreatedDate=stamp(created),
            CreatedUid=self.technicians[0]["UID"], ModifiedDate=stamp(changed),
            ModifiedUid=self.technicians[1]["UID"], **more,
        )  # fmt: skip

    # ---- tickets ---------------------------------------------------------------------------------

    def add_tickets(self, number: int) -> None:
        owned: dict[str, list[Record]] = {person["UID"]: [] for person in self._people}
        for asset in self.state.assets.values():
            if _active(asset) and asset["OwningCustomerID"] in owned:
                owned[asset["OwningCustomerID"]].append(asset)
        queues = {
            kind: [uid for uid, assets in owned.items() if fits(len(assets))]
            for kind, fits in _OWNERSHIP.items()
        }
        for queue in queues.values():
            self.rng.shuffle(queue)
        for row in range(number):
            _Ticket(self, KINDS[row % len(KINDS)], row, queues, owned).add()

    def _guid(self) -> str:
        digits = f"{self.rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


_OWNERSHIP: dict[str, Callable[[int], bool]] = {
    "any": lambda _: True,
    "requestor_one": lambda count: count == 1,
    "requestor_several": lambda count: count > 1,
    "requestor_none": lambda count: count == 0,
}


def _active(asset: Record) -> bool:
    return (asset["StatusID"], asset["FormID"]) == (ACTIVE_STATUS_ID, COMPUTER_FORM_ID)


def _handles(asset: Record) -> list[str]:
    """List the unambiguous ways to name an asset in a text."""
    handles = []
    if asset.get("Name"):
        handles.append(asset["Name"])
    serial, tag = asset.get("SerialNumber"), asset.get("Tag")
    if serial and serial not in FILLER_SERIALS:
        handles.append(f"S/N {serial}")
    if tag:
        # A number alone could be anything; it means a tag only behind its label (case B12).
        handles.append(f"asset tag {tag}" if tag.isdecimal() else tag)
    return handles


class _Ticket:
    """One ticket in the making."""

    def __init__(
        self,
        sampler: _Sampler,
        kind: str,
        row: int,
        queues: dict[str, list[str]],
        owned: dict[str, list[Record]],
    ) -> None:
        self._sampler, self._rng, self._texts = sampler, sampler.rng, sampler.texts
        self._state = sampler.state
        self._kind = kind
        self._queues, self._owned = queues, owned
        self._at = SAMPLE_NOW - timedelta(hours=6 * (row + 1), minutes=self._rng.randint(0, 300))

    def add(self) -> None:
        """Add the ticket with its feed, links and truth."""
        assets = self._choose()
        names = {
            place: self._named(assets, place) for place in ("title", "description", "feed", "reply")
        }
        self._requestor = self._choose_requestor()
        owned = self._owned[self._requestor["UID"]]
        expected = owned if self._kind == "requestor_one" else assets
        if self._kind == "attached" and not names["title"]:
            expected = owned
        ticket = self._ticket(names)
        self._feed(ticket, names)
        if self._kind == "attached":
            self._attach(ticket, expected[0])
        self._state.truths[ticket["ID"]] = {
            "kind": self._kind,
            "expected_asset_ids": sorted(asset["ID"] for asset in expected),
            "why": self._why(expected),
        }

    def _choose(self) -> list[Record]:
        """Choose the computers that the text names; change the kind where none is left."""
        if self._kind == "attached" and self._rng.chance(0.5) and self._queues["requestor_one"]:
            return []
        if self._kind.startswith("requestor"):
            if not self._queues[self._kind]:
                self._kind = "requestor_none"
            return []
        pool = self._sampler.nameable
        if not pool:
            self._kind = "requestor_none"
            return []
        several = self._kind in ("description", "feed") and self._rng.chance(0.2)
        return [pool.pop() for _ in range(min(len(pool), 2 if several else 1))]

    def _named(self, assets: list[Record], place: str) -> list[str]:
        here = self._kind == place or (self._kind == "attached" and place == "title")
        return [self._mention(asset) for asset in assets] if here else []

    def _mention(self, asset: Record) -> str:
        """Write an identifier as people do: unchanged, in lower case, or with a domain."""
        handles = _handles(asset)
        # Most people read the name off the sticker; it is the first where there is one.
        handle = handles[0] if self._rng.chance(0.6) else self._rng.choice(handles)
        if self._rng.chance(0.3):
            return handle.lower()
        is_host_name = handle == asset.get("Name") and "_" not in handle
        if is_host_name and self._rng.chance(0.15):
            return f"{handle.lower()}.example.edu"
        return handle

    def _choose_requestor(self) -> Record:
        kind = self._kind if self._kind in self._queues else "any"
        if self._kind == "attached":
            kind = "requestor_one"
        queue = self._queues[kind] or self._queues["any"]
        uid = queue[0]
        queue.append(queue.pop(0))
        return self._state.people[uid]

    def _ticket(self, names: dict[str, list[str]]) -> Record:
        rich = True if self._kind == "description" else None
        title = self._texts.title(names["title"])
        full_name = self._requestor["FullName"]
        text, is_html = self._texts.description(full_name, names["description"], rich=rich)
        responsible = self._rng.choice(self._sampler.technicians)
        at = stamp(self._at)
        lab = {LAB_ATTRIBUTE_ID: "9001"} if self._rng.chance(0.2) else {}
        return self._state.add_ticket(
            Title=title, Description=text, IsRichHtml=is_html, RequestorUid=self._requestor["UID"],
            StatusID=self._rng.choice((NEW, NEW, IN_PROCESS, WAITING)), FormID=3101,
            Classification=self._rng.choice((32, 46)), TypeID=self._rng.choice((801, 802, 803)),
            TypeCategoryID=811, AccountID=self._requestor["DefaultAccountID"], SourceID=821,
            PriorityID=self._rng.choice((851, 852, 853)), ResponsibleGroupID=861,
            ResponsibleUid=self._rng.choice((None, responsible["UID"])), Attributes=lab,
            CreatedDate=at, CreatedUid=self._requestor["UID"], ModifiedDate=at, ModifiedUid=ZERO_GUID,
        )  # fmt: skip

    def _feed(self, ticket: Record, names: dict[str, list[str]]) -> None:
        technician = self._rng.choice(self._sampler.technicians)
        self._say(ticket, ZERO_GUID, "Assigned this ticket to Service Desk.", UpdateType.EDIT)
        asked = self._say(ticket, technician["UID"], self._texts.aside())
        if names["reply"]:
            self._reply(asked, self._texts.naming(names["reply"]))
        elif self._rng.chance(0.2):
            self._reply(asked, self._texts.thanks())
        self._say(ticket, self._requestor["UID"], self._texts.naming(names["feed"]))

    def _say(
        self, ticket: Record, uid: str, text: str, update: UpdateType = UpdateType.COMMENT
    ) -> Record:
        self._at += timedelta(
            minutes=self._rng.randint(1, 20), milliseconds=self._rng.randint(0, 999)
        )
        return self._state.add_feed_entry(
            ItemID=ticket["ID"], Body=text, CreatedUid=uid, CreatedDate=stamp(self._at),
            UpdateType=int(update),
        )  # fmt: skip

    def _reply(self, entry: Record, text: str) -> None:
        self._at += timedelta(minutes=self._rng.randint(1, 20))
        reply = {
            "ID": self._state.new_id("feed"), "Body": text, "IsRichHtml": False,
            "CreatedUid": self._requestor["UID"], "CreatedDate": stamp(self._at),
        }  # fmt: skip
        entry["Replies"].append(reply)
        entry["LastUpdatedDate"] = reply["CreatedDate"]

    def _attach(self, ticket: Record, asset: Record) -> None:
        self._state.links[ticket["ID"]] = [asset["ConfigurationItemID"]]
        name = asset.get("Name") or asset.get("SerialNumber") or ""
        technician = self._sampler.technicians[0]
        line = f'Added the "{name}" asset to this ticket.'
        self._say(ticket, technician["UID"], line, UpdateType.EDIT)

    def _why(self, expected: list[Record]) -> str:
        match self._kind:
            case "requestor_one":
                return "The text names no computer; the requestor has exactly one."
            case "requestor_several" | "requestor_none":
                count = len(self._owned[self._requestor["UID"]])
                return f"The text names no computer, and the requestor has {count}."
            case "attached":
                return f"Asset {expected[0]['ID']} is attached already."
            case place:
                return f"Named in the {place}."
