"""Decide which asset statuses count as active: by id, or by name through TDX's own list of statuses.

Belongs here: what the list says, and the one rule that silver, discovery and the API path share. Does not:
where the list comes from (`lookup`, the TDX client).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from tdx_dagster.tdx.models import Status

ACTIVE = ("Active",)
"""The statuses that count where nothing else is set."""


@dataclass(frozen=True, slots=True)
class AssetStatus:
    """What TDX's list says of a status.

    Args:
        name: Its name; empty where the list does not say.
        is_active: Whether it may be given to assets.
        is_out_of_service: Whether assets of it are out of service.
    """

    name: str
    is_active: bool
    is_out_of_service: bool

    @property
    def is_in_use(self) -> bool:
        """Whether assets of it may count as active at all."""
        return self.is_active and not self.is_out_of_service

    @property
    def status_class(self) -> str:
        """Whether assets of this status are in use."""
        return "out of service" if self.is_out_of_service else "in service"


Listed = Mapping[int, AssetStatus]


def listed_by_tdx(statuses: Iterable[Status]) -> dict[int, AssetStatus]:
    """Give the list as the TDX client gives it."""
    return {one.id: AssetStatus(one.name, one.is_active, one.is_out_of_service) for one in statuses}


@dataclass(frozen=True, slots=True)
class ActiveStatuses:
    """Which statuses count as active.

    Args:
        ids: These and no others, whatever their names; None: by name.
        names: Names that count, in any case.
        listed: TDX's own list; empty where it is not known. It turns names into ids, so that an asset counts
            by what TDX calls its status today, and it may take a status away: one that is switched off or
            out of service never counts by its name.
    """

    ids: tuple[int, ...] | None = None
    names: tuple[str, ...] = ACTIVE
    listed: Listed = field(default_factory=dict)

    def counts(self, status_id: int | None, status_name: str) -> bool:
        """Whether an asset of this status is active; by the name it carries where the list does not know it."""
        if self.ids is not None:
            return status_id in self.ids
        known = self.listed.get(status_id) if status_id is not None else None
        if known is not None and not known.is_in_use:
            return False
        name = known.name if known is not None and known.name else status_name
        return _folded(name) in {_folded(one) for one in self.names}

    def _unknown_ids(self, ids: tuple[int, ...]) -> Iterator[str]:
        for one in ids:
            if one not in self.listed:
                yield (
                    f"TDX has no asset status {one} (active_status_ids). Those in use are "
                    f"{_named(self.listed) or 'none'}."
                )

    def warnings(self) -> Iterator[str]:
        """Give what a person should know: names that TDX's list does not have, or that count for nothing."""
        if not self.listed:
            return
        if self.ids is not None:
            yield from self._unknown_ids(self.ids)
            return
        by_name: dict[str, list[AssetStatus]] = {}
        for status in self.listed.values():
            by_name.setdefault(_folded(status.name), []).append(status)
        for name in self.names:
            found = by_name.get(_folded(name), [])
            if not found:
                close = get_close_matches(_folded(name), by_name, n=1)
                meant = f" Did you mean {by_name[close[0]][0].name!r}?" if close else ""
                yield f"TDX has no asset status {name!r} (active_status_names).{meant}"
            elif not any(status.is_in_use for status in found):
                yield (
                    f"The asset status {name!r} is switched off or out of service in TDX, so no computer "
                    "counts by it; where it should, give its id in active_status_ids."
                )


def _named(listed: Listed) -> str:
    """Name the statuses that may count as active."""
    return ", ".join(f"{key} ({status.name})" for key, status in listed.items() if status.is_in_use)


def _folded(name: str) -> str:
    return name.strip().casefold()
