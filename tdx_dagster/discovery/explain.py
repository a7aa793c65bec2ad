"""What discovery saw, for a person who asks why.

Belongs here: one report of tokens, matches and decision, as a table and as JSON. Does not: any
decision of its own; it shows what `discover` and `scan` return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tdx_dagster.discovery.discover import (
    Discovery,
    DiscoverySettings,
    Enquiry,
    Match,
    SearchAssets,
    discover,
    why_not_eligible,
)
from tdx_dagster.discovery.identifiers import Candidate, Dropped, Scan
from tdx_dagster.discovery.passages import Passage
from tdx_dagster.discovery.wording import summary_line
from tdx_dagster.inventory.computers import Inventory
from tdx_dagster.inventory.lookup import MemoryInventory
from tdx_dagster.tdx.html import body_text
from tdx_dagster.tdx.models import StatusClass, Ticket


@dataclass(frozen=True, slots=True)
class SeenToken:
    """A token of a text and what became of it.

    Args:
        where: Label of the text.
        token: As written.
        outcome: For people.
    """

    where: str
    token: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What discovery saw and decided.

    Args:
        discovery: What was found.
        tokens: Everything that was considered, in order of appearance.
        settings: How it was decided.
        left_off: Why computers are not attached that people have removed, by asset id.
    """

    discovery: Discovery
    tokens: tuple[SeenToken, ...]
    settings: DiscoverySettings
    left_off: Mapping[int, str] = field(default_factory=dict)

    @property
    def decision(self) -> str:
        """The sentence that a summary would say, were all matches attached now that may be."""
        computers = [match.computer for match in self.discovery.matches]
        added = [one for one in computers if one.asset_id not in self.left_off]
        refused = [
            (one, self.left_off[one.asset_id]) for one in computers if one.asset_id in self.left_off
        ]
        return summary_line(self.discovery, added, (), refused)

    def as_json(self) -> dict[str, Any]:
        """Give one object for programs. `asset_ids` names all matches in order of appearance."""
        found = self.discovery
        return {
            "asset_ids": [m.computer.asset_id for m in (*found.matches, *found.left_over)],
            "beyond_limit": [match.computer.asset_id for match in found.left_over],
            "phase": found.phase,
            "reason": found.reason.value,
            "decision": self.decision,
            "left_off": [
                {"asset_id": asset_id, "why": why} for asset_id, why in self.left_off.items()
            ],
            "matches": [_match(match) for match in (*found.matches, *found.left_over)],
            "not_eligible": [
                _match(match) | {"why": why_not_eligible(match.computer, self.settings)}
                for match in found.not_eligible
            ],
            "ambiguous": [
                {"token": one.token, "asset_ids": [c.asset_id for c in one.computers]}
                for one in found.ambiguous
            ],
            "requestor_computers": found.requestor_computer_count,
            "not_searched": list(found.not_searched),
            "api_searches": found.api_searches,
            "cut": list(found.cut),
            "tokens": [
                {"where": seen.where, "token": seen.token, "outcome": seen.outcome}
                for seen in self.tokens
            ],
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give a table of tokens, a table of matches, the decision."""
        del console, options
        yield _tokens_table(self.tokens)
        if self.discovery.matches or self.discovery.left_over:
            yield _matches_table(self.discovery)
        yield Text(self.decision, style="bold")


def _match(match: Match) -> dict[str, Any]:
    computer = match.computer
    return {
        "asset_id": computer.asset_id,
        "name": computer.name,
        "serial_number": computer.serial_number,
        "tag": computer.tag,
        "status": computer.status_name,
        "evidence": [
            {"where": e.where, "token": e.token, "field": e.field} for e in match.evidence
        ],
    }


def _tokens_table(tokens: Sequence[SeenToken]) -> Table:
    table = Table("where", "token", "what became of it", title="Tokens considered")
    for seen in tokens:
        table.add_row(Text(seen.where), Text(seen.token), Text(seen.outcome))
    return table


def _matches_table(found: Discovery) -> Table:
    table = Table("asset", "name", "serial number", "tag", "evidence", title="Computers found")
    for match in (*found.matches, *found.left_over):
        computer = match.computer
        evidence = "; ".join(f"{e.where}: {e.token} = {e.field}" for e in match.evidence)
        fields = (computer.name, computer.serial_number, computer.tag, evidence)
        table.add_row(str(computer.asset_id), *(Text(value) for value in fields))
    return table


def explain_text(
    text: str, is_html: bool | None, inventory: Inventory, settings: DiscoverySettings
) -> Explanation:
    """Explain what discovery sees in one text, without TDX and without the requestor fallback.

    Args:
        text: The text, for example a ticket's description.
        is_html: See `body_text`.
        inventory: Who knows computers.
        settings: How to decide.

    Raises:
        InventoryUnavailable: The inventory could not be asked.
    """
    shown = Ticket(
        id=0,
        title="",
        description=body_text(text, is_html),
        is_rich_html=False,
        status_id=0,
        status_name="",
        status_class=StatusClass.NONE,
        requestor_uid=None,
        requestor_name="",
        requestor_email="",
        modified_at=None,
    )
    return explain_ticket(Enquiry(shown), inventory, None, settings)


def explain_ticket(
    enquiry: Enquiry,
    inventory: Inventory,
    search: SearchAssets | None,
    settings: DiscoverySettings,
) -> Explanation:
    """Run a discovery, as `discover` does, and keep what it saw.

    A list of assets that says nothing of forms is not judged by them.

    Raises:
        InventoryUnavailable: The inventory could not be asked.
        TdxError: TDX could not be asked.
    """
    if isinstance(inventory, MemoryInventory) and not inventory.knows_forms:
        settings = replace(settings, form_id=None)
    found = discover(enquiry, inventory, search, settings)
    tokens = tuple(
        one for passage, scan in found.scans for one in _seen(passage, scan, found, settings)
    )
    return Explanation(found, tokens, settings)


def _seen(
    passage: Passage, scanned: Scan, found: Discovery, settings: DiscoverySettings
) -> list[SeenToken]:
    both: list[Candidate | Dropped] = [*scanned.candidates, *scanned.dropped]
    return [
        SeenToken(passage.label, one.token, _outcome(one, passage.label, found, settings))
        for one in sorted(both, key=lambda one: one.position)
    ]


def _outcome(
    one: Candidate | Dropped, where: str, found: Discovery, settings: DiscoverySettings
) -> str:
    if isinstance(one, Dropped):
        return f"dropped: {one.why}"
    by = [
        f"{match.computer.label} (asset {match.computer.asset_id}, {evidence.field})"
        + ("" if match in (*found.matches, *found.left_over) else _because(match, settings))
        for match in (*found.matches, *found.left_over, *found.not_eligible)
        for evidence in match.evidence
        if (evidence.where, evidence.token) == (where, one.token)
    ]
    if by:
        return "found " + ", ".join(by)
    return "not searched for" if one.token in found.not_searched else "no computer of that name"


def _because(match: Match, settings: DiscoverySettings) -> str:
    return f", but {why_not_eligible(match.computer, settings)}"
