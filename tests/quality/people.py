"""Feeds as TDX writes them, for tickets on which discovery has acted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tdx_dagster.quality.verdicts import Acted, Attached
from tdx_dagster.tdx.models import FeedEntry

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROBOT = "00000000-0000-4000-8000-00000000000a"
TECH = "00000000-0000-4000-8000-00000000000b"
ASKER = "00000000-0000-4000-8000-00000000000c"


class Feed:
    """A feed in the making; each entry is a minute after the one before."""

    def __init__(self, start: datetime = START) -> None:
        self.entries: list[FeedEntry] = []
        self._start = start

    def say(self, uid: str | None, body: str, name: str = "Somebody") -> "Feed":
        number = len(self.entries) + 1
        at = self._start + timedelta(minutes=number)
        self.entries.append(
            FeedEntry(number, body, uid, name, at, 1, 9, is_private=False, replies_count=0)
        )
        return self

    def add(self, uid: str, *names: str) -> "Feed":
        for name in names:
            self.say(uid, f'Added the "{name}" asset to this incident.')
        return self

    def remove(self, uid: str, name: str) -> "Feed":
        return self.say(uid, f'Removed the "{name}" asset from this incident.')


def acted(attached: Sequence[tuple[int, str]] = ((1, "PC-1"),), **more: object) -> Acted:
    """Give what discovery did: it attached these, each named in the title."""
    links = tuple(Attached(number, name, "name in title", START) for number, name in attached)
    return Acted(7, "p", START, links, requestor_uid=ASKER, **more)  # type: ignore[arg-type]


def find(name: str) -> Sequence[int]:
    """Computers called `pc-<id>`; two are called `twin`."""
    if name == "twin":
        return (8, 9)
    return (int(name[3:]),) if name.startswith("pc-") else ()
