"""Choose the asset form of computers and the asset statuses that count as active.

Belongs here: counting assets by form and status, and the signs by which a form looks like that of computers:
its name, and the models of its assets. Pure; `survey` reads the assets.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdx_dagster.inventory.statuses import Listed
from tdx_dagster.tdx.models import Application
from tdx_dagster.tdx.parse import parse_id

COMPUTER_WORDS = (
    "computer", "laptop", "desktop", "notebook", "workstation", "pc", "pcs", "mac", "macs", "macbook",
    "rechner", "arbeitsplatzrechner", "ordinateur", "ordinateurs", "portable", "poste", "ordenador",
    "ordenadores", "computadora", "computadoras", "portátil", "portátiles", "computador", "dator", "datamaskin",
)  # fmt: skip
"""Words of form names, in the languages that TDX is used in most."""
NO_COMPUTER_WORDS = (
    "monitor", "display", "screen", "bildschirm", "écran", "pantalla", "printer", "drucker", "imprimante",
    "impresora", "dock", "docking", "accessory", "accessories", "zubehör", "peripheral", "peripherals",
    "phone", "tablet", "software", "license", "licence",
)  # fmt: skip
COMPUTER_MODELS = re.compile(
    r"\b(latitude|optiplex|precision|xps|vostro|inspiron|elitebook|probook|zbook|elitedesk|prodesk|z[1-9] "
    r"|elite ?mini|thinkpad|thinkcentre|thinkstation|ideapad|yoga|macbook|imac|mac (mini|studio|pro)|surface "
    r"(pro|laptop|book|studio)|chromebook|chromebox|lifebook|esprimo|toughbook|expertbook|zenbook|travelmate"
    r"|veriton|nuc)",
    re.IGNORECASE,
)
ACTIVE_WORDS = (
    "active", "in use", "in service", "deployed", "in production", "assigned", "aktiv", "in betrieb",
    "im einsatz", "in gebrauch", "in benutzung", "actif", "en service", "en utilisation", "en usage", "activo",
    "en uso", "en servicio", "in gebruik", "actief", "ativo", "em uso", "attivo", "in uso", "i bruk",
)  # fmt: skip

_MODEL_FIELDS = ("ProductModelName", "Name")


@dataclass
class FormUse:
    """How the assets of one form look.

    Args:
        id: The form.
        name: Its name in TDX.
        by_status: Number of its assets by status.
        models: Number of its assets whose model or name is that of a computer.
    """

    id: int
    name: str
    by_status: Counter[int] = field(default_factory=Counter)
    models: int = 0

    @property
    def total(self) -> int:
        """Number of its assets of any status."""
        return self.by_status.total()

    def active(self, statuses: Iterable[int]) -> int:
        """Count its assets of these statuses."""
        return sum(self.by_status[status] for status in statuses)

    @property
    def likeness(self) -> int:
        """Say how much it looks like the form of computers: 0 not at all, 3 by name and by models."""
        words = set(re.findall(r"\w+", self.name.casefold()))
        if words & set(NO_COMPUTER_WORDS):
            return 0
        by_name = bool(words & set(COMPUTER_WORDS)) or "computer" in self.name.casefold()
        return int(by_name) + 2 * (self.total > 0 and self.models * 2 >= self.total)


@dataclass(frozen=True)
class Assets:
    """What an asset application holds.

    Args:
        app: The application.
        forms: Its forms, those that no asset has included.
        statuses: Its statuses.
        count: Number of assets the account sees.
    """

    app: Application
    forms: tuple[FormUse, ...]
    statuses: Listed
    count: int


@dataclass(frozen=True)
class Computers:
    """Which assets are the computers.

    Args:
        assets: Their application.
        form: Their form.
        status_ids: The statuses that count as active.
        others: Further forms that look like computers and have active assets.
    """

    assets: Assets
    form: FormUse
    status_ids: tuple[int, ...]
    others: tuple[FormUse, ...]

    @property
    def active(self) -> int:
        """Number of active computers."""
        return self.form.active(self.status_ids)

    @property
    def status_names(self) -> tuple[str, ...]:
        """Names of the active statuses."""
        return tuple(self.assets.statuses[one].name for one in self.status_ids)


def count_forms(records: Iterable[object], names: Mapping[int, str]) -> tuple[FormUse, ...]:
    """Count assets by form and status.

    Args:
        records: As TDX sent them; one without a form or a status is left out.
        names: The forms that TDX lists.
    """
    found = {form: FormUse(form, name) for form, name in names.items()}
    for record in records:
        if isinstance(record, dict):
            _count(record, found)
    return tuple(found.values())


def _count(record: Mapping[str, Any], found: dict[int, FormUse]) -> None:
    form, status = parse_id(record.get("FormID")), parse_id(record.get("StatusID"))
    if form is None or status is None:
        return
    use = found.setdefault(form, FormUse(form, str(record.get("FormName") or "")))
    use.by_status[status] += 1
    texts = " ".join(str(record.get(name) or "") for name in _MODEL_FIELDS)
    use.models += bool(COMPUTER_MODELS.search(texts))


def choose_computers(places: Sequence[Assets], form_id: int | None = None) -> Computers | None:
    """Choose the form that looks most like that of computers, then the one with most active assets.

    Args:
        places: The asset applications.
        form_id: The form a person has named; its application is looked for.
    """
    offers = [
        Computers(place, form, choose_statuses(place.statuses, form), ())
        for place in places
        for form in place.forms
        if form.id == form_id or (form_id is None and form.likeness and form.total)
    ]
    if not offers:
        return None
    best = max(offers, key=lambda one: (one.form.likeness, one.active, -one.form.id))
    others = tuple(
        one.form for one in offers if one.assets is best.assets and one is not best and one.active
    )
    return Computers(best.assets, best.form, best.status_ids, others)


def choose_statuses(listed: Listed, form: FormUse) -> tuple[int, ...]:
    """Choose the statuses in use: by their names, else the one that most assets of the form have."""
    in_use = {key: status for key, status in listed.items() if status.is_in_use}
    named = tuple(
        key for key, status in in_use.items() if status.name.strip().casefold() in ACTIVE_WORDS
    )
    if form.active(named):
        return tuple(key for key in named if form.by_status[key])
    most = max(in_use, key=lambda key: (form.by_status[key], -key), default=None)
    return (most,) if most is not None and form.by_status[most] else named
