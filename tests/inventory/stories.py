"""Random inventories, and texts that mention some of their machines in random surroundings.

Everything is made from one seed: a test that fails names it. The shapes of names and serial numbers come
from public naming standards.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tdx_dagster.inventory.keys import fold_key

DASHES = "-\u2010\u2011\u2012\u2013\u2212\uff0d"
INVISIBLE = ("", "", "\u200b", "\u00ad", "\u2060")
BEFORE = ("", "", *"([\"'`_<=/#", "**", "\u201c", "DOM\\", "\U0001f525")
AFTER = ("", "", *")]\"'`_>.,;$", "**", "\u201d", "'s", "!?", ":3389", "\u2014x")
DOMAINS = ("", "", "", ".local", ".lsa.example.edu")
LABELS = ("asset tag ", "Tag: ", "property tag #", "inventory no. ", "decal no. ", "asset tag is ")

SENTENCES = (
    "the computer in our office will not start since monday please call me about self-service",
    "sign-in e-mail Wi-Fi follow-up multi-factor -- read-only & so on: (sorry) ok? thanks, Robin",
    "734-555-0142 2410 03/16/2025 R-4.3.2 0x80070643 10.0.0.7 https://example.edu/x?y=1",
    "it-help@example.edu 02:1A:7F:A1:B2:C3",
)
WORDS = tuple(word for sentence in SENTENCES for word in sentence.split())
# After these no label and no number reaches what follows.
STOPS = ("please", "\nand", "thanks,")

TAGS = ("<wbr>", "<b></b>", "<span style='CHEM-A1'>", "<!-- A-1 -->")
BLOCKS = ("p", "td", "b", "li", "div", "em", "h1")
ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"}


@dataclass
class Story:
    """An inventory and a text about some of it.

    Args:
        assets: As in a list of assets from TDX.
        mentioned: Ids that the text mentions, in order.
        text: The text.
        is_html: Whether it is HTML.
    """

    assets: list[dict[str, object]] = field(default_factory=list)
    mentioned: list[int] = field(default_factory=list)
    text: str = ""
    is_html: bool = False


class Teller:
    """Tells stories by chance.

    Args:
        seed: The same seed, the same story.
    """

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._pick = self._chance.choice

    def story(self, *, mentions: int) -> Story:
        """A story with at most so many mentions."""
        keys = [(self.name(), self.serial(), self.digits(6)) for _ in range(self._upto(2, 8))]
        used = [key for three in keys for key in three]
        clear = [n for n, three in enumerate(keys) if all(used.count(key) == 1 for key in three)]
        mentioned = self._chance.sample(clear, min(len(clear), self._upto(0, mentions)))
        pieces = self.surroundings(used)
        for number in mentioned:
            pieces += [self.mention(*keys[number]), *self.surroundings(used)]
        is_html = self._chance.random() < 0.5
        text = self.as_html(pieces) if is_html else " ".join(pieces)
        fields = ("Name", "SerialNumber", "Tag")
        assets: list[dict[str, object]] = [
            {"ID": n, "StatusName": "Active", **dict(zip(fields, three, strict=True))}
            for n, three in enumerate(keys)
        ]
        return Story(assets, mentioned, text, is_html)

    def name(self) -> str:
        """The name of a computer in one of the usual shapes."""
        return self._pick(
            (
                f"{self.capitals(2, 6)}-{self.capitals(2, 6)}{self.digits(2)}",
                f"{self.capitals(2, 2)}{self.digits(3)}-{self.digits(2)}",
                f"{self.capitals(3, 4)}-{self.capitals(1, 3)}-{self.capitals(2, 2)}{self.digits(2)}",
                f"{self.capitals(3, 3)}_{self.capitals(3, 3)}_{self.digits(2)}",
                f"{self.capitals(5, 6)}{self.digits(4)}{self.capitals(3, 3)}{self.digits(2)}",
                f"{self.digits(5)}{self.capitals(3, 3)}-{self.digits(6)}",
                f"L-{self.serial()}",
            )
        )

    def serial(self) -> str:
        """A serial number with letters and digits."""
        rest = self._chance.choices(string.ascii_uppercase + string.digits, k=self._upto(5, 10))
        return f"{self.capitals(1, 1)}{self.digits(1)}{''.join(rest)}"

    def capitals(self, fewest: int, most: int) -> str:
        """Some capital letters."""
        return "".join(self._chance.choices(string.ascii_uppercase, k=self._upto(fewest, most)))

    def digits(self, count: int) -> str:
        """Digits that do not begin with a zero."""
        return str(self._upto(10 ** (count - 1), 10**count - 1))

    def mention(self, name: str, serial: str, tag: str) -> str:
        """One way in which people write one of a machine's identifiers."""
        if self._chance.random() < 0.3:
            return self._pick(LABELS) + tag + self._pick((" ", ".", ",", ";", ")"))
        dash = self._pick(DASHES)
        written = [
            dash if c == "-" else self._pick((c, c.lower())) for c in self._pick((name, serial))
        ]
        written.insert(self._upto(1, len(written) - 1), self._pick(INVISIBLE))
        after = self._pick(AFTER)
        domain = self._pick(DOMAINS) if after not in ("_", "'s") else ""
        return f"{self._pick(BEFORE)}{''.join(written)}{domain}{after}"

    def surroundings(self, used: Sequence[str]) -> list[str]:
        """Words, numbers, addresses, and near misses of what the inventory has."""
        near = self._pick(used)
        misses = (f"{near}-OLD", f"PRE{near}", f"{near}X9Z", f"{near}\u00e9", f"X{near[:-1]}")
        allowed = [miss for miss in misses if fold_key(miss) not in used]
        return [*self._chance.choices((*WORDS, *allowed), k=self._upto(0, 5)), self._pick(STOPS)]

    def as_html(self, pieces: Sequence[str]) -> str:
        """Pieces as a mail: tags of every kind around them, inline ones within them."""
        shown = []
        for piece in pieces:
            letters = [ENTITIES.get(c, c) for c in piece]
            if self._chance.random() < 0.5:
                letters.insert(self._upto(0, len(letters)), self._pick(TAGS))
            block = self._pick(BLOCKS)
            shown.append(f"<{block} class='MSO-N1'>{''.join(letters)}</{block}>")
        return "<style>.A-1{}</style>" + self._pick((" ", "&nbsp;", "<br>")).join(shown)

    def _upto(self, fewest: int, most: int) -> int:
        return self._chance.randint(fewest, most)
