"""Invented computers: names in formats that campuses publish, serial numbers in their makers' formats.

No name, serial number or tag resembles another, so that a text has one meaning; the exceptions (retired
twins, filler serial numbers) are deliberate.
"""

from collections.abc import Callable

from tdx_dagster.simulator.sample.blank import MONITOR_FORM_ID, PERIPHERAL_FORM_ID
from tdx_dagster.simulator.sample.chance import Dice
from tdx_dagster.simulator.tenant.constants import ACTIVE_STATUS_ID, COMPUTER_FORM_ID
from tdx_dagster.simulator.tenant.model import Record

RETIRED, STORED, LOST = 39, 40, 41
FILLER_SERIALS = ("To be filled by O.E.M.", "Default string", "System Serial Number", "0123456789")
LONGEST_NAME = 15
"""NetBIOS allows no more, so that some formats cut their names off (case B15)."""

_ALNUM = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LETTERS = "BCDFGHJKLMNPQRSTVWXYZ"
_UNITS = (
    "CHEM", "PSYC", "MAC", "HIST", "GEO", "ENG", "NURS", "MUS", "MATH", "ECON", "LIB", "LING", "BIOC",
)  # fmt: skip
_PLACES = ("QBENCH", "ZLAB", "WARD", "FIELD", "ADM", "LEC", "STU", "KSK", "GID", "FRONT", "BACK")
_KINDS = ("NB", "WK", "TS", "LT", "DT")


def _letters_and_digits(rng: Dice, length: int) -> str:
    """Make random characters with at least one letter and one digit."""
    middle = "".join(rng.choices(_ALNUM, k=length - 2))
    return f"{rng.choice('123456789')}{middle}{rng.choice(_LETTERS)}"


def _dell(rng: Dice) -> str:
    return _letters_and_digits(rng, 7)


def _hp(rng: Dice) -> str:
    head = rng.choice(("5CG", "MXL", "2UA"))
    return f"{head}{rng.randint(100, 499)}{_letters_and_digits(rng, 4)}"


def _lenovo(rng: Dice) -> str:
    return f"{rng.choice(('PF', 'R9', 'MP'))}{_letters_and_digits(rng, 6)}"


def _apple(rng: Dice) -> str:
    if rng.chance(0.5):
        return f"C02{_letters_and_digits(rng, 9)}"
    return f"{rng.choice(_LETTERS)}{_letters_and_digits(rng, 9)}"


_MAKERS: tuple[tuple[int, tuple[int, ...], Callable[[Dice], str]], ...] = (
    (701, (601, 602), _dell),
    (702, (603, 604), _hp),
    (703, (605,), _lenovo),
    (704, (606, 607), _apple),
)
"""Manufacturer, its models, its serial numbers."""


def _unit_place(rng: Dice, _serial: str, _tag: str) -> str:
    return f"{rng.choice(_UNITS)}-{rng.choice(_PLACES)}{rng.randint(1, 99):02d}"


def _building_room(rng: Dice, _serial: str, _tag: str) -> str:
    building = "".join(rng.choices(_LETTERS, k=2))
    return f"{building}{rng.randint(100, 499)}-{rng.choice(('', 'Front', 'Back'))}{rng.randint(1, 30):02d}"


def _room_inventory(rng: Dice, _serial: str, tag: str) -> str:
    return f"{rng.randint(10, 49)}{rng.randint(100, 399)}{rng.choice(('LAP', 'DES', 'LAB'))}-{tag}"


def _unit_kind_number(rng: Dice, _serial: str, tag: str) -> str:
    return f"{rng.choice(_UNITS)}{rng.choice(_KINDS)}-{tag[-5:]}{rng.choice('WML')}"


def _unit_serial_end(rng: Dice, serial: str, _tag: str) -> str:
    return f"{rng.choice(_UNITS)}{rng.choice(_UNITS)[:2]}-{serial[-7:]}"


def _unit_tag_suffix(rng: Dice, _serial: str, tag: str) -> str:
    return f"{rng.choice(_UNITS)[:4]}-{tag}-G{rng.randint(1, 99):02d}"[:LONGEST_NAME]


def _group_month(rng: Dice, _serial: str, _tag: str) -> str:
    month = f"{rng.randint(19, 25)}{rng.randint(1, 12):02d}"
    return f"{rng.choice(_UNITS)}{month}{rng.choice(_KINDS)}{rng.randint(1, 99):02d}"


def _many_dashes(rng: Dice, _serial: str, _tag: str) -> str:
    parts = (
        rng.choice(_UNITS),
        rng.choice(("LIB", "LAB", "OFF")),
        rng.choice(("KSK", "PC", "MAC")),
    )
    return f"{'-'.join(parts)}-{rng.randint(1, 99):02d}"


def _default_name(rng: Dice, _serial: str, _tag: str) -> str:
    return f"{rng.choice(('DESKTOP', 'LAPTOP'))}-{_letters_and_digits(rng, 7)}"


def _prefix_serial(rng: Dice, serial: str, _tag: str) -> str:
    return f"{rng.choice(_UNITS)}-{serial}"[:LONGEST_NAME]


def _underscores(rng: Dice, _serial: str, _tag: str) -> str:
    return f"{rng.choice(_UNITS)}_{rng.choice(_PLACES)}_{rng.randint(1, 99):02d}"


_FORMATS = (
    _unit_place, _building_room, _room_inventory, _unit_kind_number, _unit_serial_end,
    _unit_tag_suffix, _group_month, _many_dashes, _default_name, _prefix_serial, _underscores,
)  # fmt: skip


class ComputerMaker:
    """Make the fields of assets; no identifier occurs twice.

    Args:
        rng: Where chance comes from.
        taken: Tokens that no identifier may equal, in upper case; identifiers are added.
    """

    def __init__(self, rng: Dice, taken: set[str]) -> None:
        self._rng = rng
        self._taken = taken
        self._inventory = 104_000

    def computer(self) -> Record:
        """Make a computer's identifiers, model, form and status."""
        rng = self._rng
        maker, models, make_serial = rng.choice(_MAKERS)
        serial = self._unique(lambda: make_serial(rng))
        self._inventory += rng.randint(1, 3)
        tag = str(self._inventory)
        self._taken.add(tag)
        name = self._unique(lambda: rng.choice(_FORMATS)(rng, serial, tag))
        form, status = COMPUTER_FORM_ID, self._status()
        fields = self._described(maker, rng.choice(models), form, status)
        return fields | {"Name": name, "SerialNumber": serial, "Tag": self._tag(tag)} | self._gaps()

    def other(self) -> Record:
        """Make the fields of a monitor or another asset that is no computer."""
        rng = self._rng
        serial = self._unique(lambda: f"CN{_letters_and_digits(rng, 10)}")
        form = MONITOR_FORM_ID if rng.chance(0.7) else PERIPHERAL_FORM_ID
        name = self._unique(lambda: f"MON-{rng.randint(1, 9_999_999):07d}")
        fields = self._described(701, 608, form, ACTIVE_STATUS_ID)
        return fields | {"Name": name, "SerialNumber": serial, "Tag": None}

    def twin_of(self, asset: Record) -> Record:
        """Make the retired computer whose name a newer one took over (case A36).

        Args:
            asset: The newer one.

        Returns:
            Fields of the older one.
        """
        make_serial = next(make for maker, _, make in _MAKERS if maker == asset["ManufacturerID"])
        serial = self._unique(lambda: make_serial(self._rng))
        return asset | {"SerialNumber": serial, "Tag": None, "StatusID": RETIRED}

    def _status(self) -> int:
        weights = (82, 12, 4, 2)
        return self._rng.choices((ACTIVE_STATUS_ID, RETIRED, STORED, LOST), weights)[0]

    def _tag(self, number: str) -> str | None:
        if self._rng.chance(0.5):
            return number
        return f"UA-0{number}" if self._rng.chance(0.4) else None

    def _gaps(self) -> Record:
        """Choose what a record lacks: a serial number, everything but a filler serial number, or the name."""
        if not self._rng.chance(0.07):
            return {}
        fillers = [{"SerialNumber": filler} for filler in FILLER_SERIALS]
        return self._rng.choice([*fillers, {"SerialNumber": None}, {"Name": None}])

    def _described(self, maker: int, model: int, form: int, status: int) -> Record:
        return {
            "FormID": form, "StatusID": status, "ManufacturerID": maker, "ProductModelID": model,
            "SupplierID": 501 if self._rng.chance(0.5) else 0,
        }  # fmt: skip

    def _unique(self, make: Callable[[], str]) -> str:
        while True:
            text = make()
            if text.upper() not in self._taken:
                self._taken.add(text.upper())
                return text
