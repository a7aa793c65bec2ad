"""A random sample for a person to judge: what an answer means.

Belongs here: turning answers into verdicts of the source `sample`. Does not: asking (`cli.sample`), drawing
(`store`).
"""

from tdx_dagster.inventory.computers import Computer
from tdx_dagster.quality.verdicts import NOT_FOUND, Acted, Attached, Judgement, Outcome

NO_COMPUTER = 0
"""Stands for the computer of a ticket on which none was found."""


def answered(
    acted: Acted, one: Attached, *, is_right: bool, instead: Computer | None = None
) -> list[Judgement]:
    """Give the verdicts that follow from an answer.

    Args:
        acted: What the robot did on the ticket.
        one: The computer that was asked about.
        is_right: Whether the ticket is about it.
        instead: The computer that the ticket is about, where the person knows.
    """

    def verdict(asset_id: int, outcome: Outcome, name: str) -> Judgement:
        return Judgement(
            acted.ticket_id, asset_id, outcome, one.evidence, name, acted.pipeline, acted.at
        )

    if is_right:
        return [verdict(one.asset_id, Outcome.KEPT, one.name)]
    if instead is None:
        return [verdict(one.asset_id, Outcome.REMOVED, one.name)]
    return [
        verdict(one.asset_id, Outcome.REPLACED, one.name),
        verdict(instead.asset_id, Outcome.MISS, instead.label),
    ]


def answered_where_none_was_found(acted: Acted, right: Computer | None) -> list[Judgement]:
    """Give the verdict that follows from an answer about a ticket on which the robot has found no computer.

    Args:
        acted: What the robot did on the ticket.
        right: The computer that the ticket is about; None where it is about none.
    """
    number, outcome, name = (
        (right.asset_id, Outcome.MISS, right.label) if right else (NO_COMPUTER, Outcome.NONE, "")
    )
    return [Judgement(acted.ticket_id, number, outcome, NOT_FOUND, name, acted.pipeline, acted.at)]
