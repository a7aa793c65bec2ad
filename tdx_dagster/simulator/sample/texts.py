"""Invented help desk texts: titles, mails with signatures and quoted threads, notes, portal forms.

A text that names a computer is given the name. `DECOYS` are words that resemble identifiers and are none.
"""

import html

from tdx_dagster.simulator.sample.chance import Dice

DECOYS = frozenset(
    word.upper()
    for word in (
        "follow-up", "multi-factor", "self-service", "two-step", "Wi-Fi", "USB-C", "UTF-8", "23H2",
        "HTTP-502", "TLS-1_2", "COVID-19", "KB5034441", "INC-22917", "PO-4501887", "Q-2025-0412",
        "MRC-GUEST", "AG117", "555-0142", "734-555-0142", "Office365", "M365", "Windows11", "WIN11",
        "font-family", "x1-signature", "ADSROOT", "part-time", "1210", "2410", "3021",
    )
)  # fmt: skip

TITLES = (
    "Computer is slow", "Cannot print since this morning", "No sound in meetings",
    "Help with my laptop", "Second monitor stays black", "VPN does not connect",
    "Blue screen after update", "Mouse and keyboard do not respond", "Password prompt comes back",
    "Request for software", "Wi-Fi drops every few minutes", "Follow-up on my last request",
)  # fmt: skip
PROBLEMS = (
    "will not wake from sleep since Monday", "asks for the BitLocker key on every boot",
    "has no network", "shows a black screen after login", "is very slow after the last update",
    "does not see the second monitor", "keeps losing its clock", "does not detect the camera",
    "freezes during two-step sign-in", "makes a grinding noise", "prints blank pages",
    "will not charge over USB-C",
)  # fmt: skip
_GREETINGS = ("Hi,", "Hello,", "Good morning,", "Dear service desk,", "Hi all,")
_SMALL_TALK = (
    "It started after the update to 23H2, I think KB5034441.",
    "Self-service did not help, and multi-factor works fine.",
    "I have a class at 10:30 and again on 2026-11-05, so please call before.",
    "The error was HTTP-502, sometimes 0x80070005.",
    "I tried Wi-Fi MRC-GUEST as well, no change.",
    "We are in room 2410, the door code is with the front desk.",
    "This is a follow-up to INC-22917.",
    "Office365 in the browser works, only the app does not.",
)
_CLOSINGS = ("Thanks,", "Thank you!", "Best,", "Kind regards,", "Cheers,")
_JOBS = (
    "Assistant Professor",
    "Lab Manager",
    "Graduate Student",
    "Office Coordinator",
    "Librarian",
)
_ASIDE = (
    "Thanks for your patience.", "We are looking into it.", "Could you tell us when it started?",
    "Please let us know which machine this is about.", "Is this in your office or in a lab?",
)  # fmt: skip
_THANKS = ("Thank you!", "Great, thanks.", "Any time after 3 pm works.", "No hurry.")
_NAMINGS = (
    "The machine is {0}.", "It is {0}, the one next to the window.", "The sticker says {0}.",
    "My system {0} was assigned to me last week, the due date is Friday.",
    "Computer name: {0}", "That would be {0}.", "It concerns ({0}).", "Sure, {0}.",
)  # fmt: skip


class TextMaker:
    """Make texts.

    Args:
        rng: Where chance comes from.
    """

    def __init__(self, rng: Dice) -> None:
        self._rng = rng

    def title(self, names: list[str]) -> str:
        """Make a title.

        Args:
            names: How the computers are called, empty for a title that names none.

        Returns:
            Plain text.
        """
        if not names:
            return self._rng.choice(TITLES)
        problem = self._rng.choice(PROBLEMS)
        form = self._rng.choice(("{0} {1}", "Laptop {0}: {1}", "{0} - {1}", "Room 1210: {0} {1}"))
        return form.format(" and ".join(names), problem)

    def naming(self, names: list[str]) -> str:
        """Make a sentence that names a computer.

        Args:
            names: How the computers are called; none gives a sentence about something else.

        Returns:
            Plain text.
        """
        if not names:
            return self._rng.choice(_SMALL_TALK)
        return self._rng.choice(_NAMINGS).format(" and ".join(names))

    def aside(self) -> str:
        """Make a technician's comment that names no computer."""
        return self._rng.choice(_ASIDE)

    def thanks(self) -> str:
        """Make a requestor's answer that names no computer."""
        return self._rng.choice(_THANKS)

    def description(
        self, person: str, names: list[str], *, rich: bool | None = None
    ) -> tuple[str, bool]:
        """Make a description.

        Args:
            person: Who writes.
            names: How the computers are called; none for a text that names none.
            rich: True for HTML only; None lets chance decide.

        Returns:
            The text, and whether it is HTML.
        """
        makers = (self._mail, self._form) if rich else (self._mail, self._form, self._note)
        return self._rng.choice(makers)(person, names)

    def _lines(self, names: list[str]) -> list[str]:
        lines = [f"My computer {self._rng.choice(PROBLEMS)}.", self._rng.choice(_SMALL_TALK)]
        if names:
            lines.insert(self._rng.randint(0, 2), self.naming(names))
        return lines

    def _note(self, _person: str, names: list[str]) -> tuple[str, bool]:
        lines = self._lines(names)
        return "\n".join(lines[: 3 if names else self._rng.randint(1, 2)]), False

    def _mail(self, person: str, names: list[str]) -> tuple[str, bool]:
        rng = self._rng
        body = "".join(f"<p class=MsoNormal>{html.escape(line)}</p>" for line in self._lines(names))
        text = (
            "<style>p.MsoNormal{font-family:Calibri;margin-top:0in}.x1-signature{color:#444}</style>"
            f"<div class=WordSection1><p class=MsoNormal>{rng.choice(_GREETINGS)}</p>{body}"
            f"<p class=MsoNormal>&nbsp;</p><p class=MsoNormal>{rng.choice(_CLOSINGS)}</p>"
            f"{self._signature(person)}{self._quoted() if rng.chance(0.5) else ''}</div>"
        )
        return text, True

    def _signature(self, person: str) -> str:
        mail = person.lower().replace(" ", ".")
        return (
            f'<div class="x1-signature"><b>{html.escape(person)}</b><br>{self._rng.choice(_JOBS)}<br>'
            f'Tel. 734-555-0142 | <a href="mailto:{mail}@example.edu">{mail}@example.edu</a><br>'
            '<a href="https://www.example.edu/help/AG117">www.example.edu/help</a></div>'
        )

    def _quoted(self) -> str:
        return (
            '<hr><div style="border-left:solid #ccc 1pt"><p><b>From:</b> Service Desk '
            "&lt;help@example.edu&gt;<br><b>Sent:</b> Friday, October 30, 2026 9:12 AM<br>"
            f"<b>Subject:</b> RE: INC-22917</p><blockquote>{html.escape(self.aside())}"
            f"<br>On 2026-10-29 you wrote:<br>&gt; {html.escape(self._rng.choice(_SMALL_TALK))}"
            "</blockquote></div>"
        )

    def _form(self, person: str, names: list[str]) -> tuple[str, bool]:
        rows = [
            ("Requested for", person),
            ("Building / room", "Old Hall, 1210"),
            ("What is wrong?", self._rng.choice(PROBLEMS)),
            ("Computer", " and ".join(names) if names else "do not know"),
            ("Best time", "part-time, mornings; call 555-0142"),
        ]
        cells = "".join(
            f"<tr><td><b>{html.escape(label)}</b></td><td>{html.escape(value)}</td></tr>"
            for label, value in rows
        )
        return f"<table>{cells}</table>", True
