"""A desk whose right answers are known: the sample, with tickets on which people want another computer."""

import random
from collections import Counter

from tdx_dagster.simulator import COMPUTER_FORM_ID, Simulator, sample_state
from tdx_dagster.simulator.tenant.model import State

TECH = "tess.tester"


def sample(tickets: int, assets: int = 400, seed: int = 7) -> State:
    """A sample whose assets bear the names of their statuses, as an inventory has them."""
    state = sample_state(tickets=tickets, assets=assets, seed=seed)
    for asset in state.assets.values():
        asset["StatusName"] = state.asset_statuses[asset["StatusID"]]["Name"]
    return state


def wanted(state: State, wrong: float, seed: int) -> dict[int, set[int]]:
    """What people want on each ticket; on a share of them another computer than the text says."""
    dice = random.Random(seed)
    names = Counter((asset["Name"] or "").casefold() for asset in state.assets.values())
    spare = [
        asset["ID"]
        for asset in state.assets.values()
        if asset["FormID"] == COMPUTER_FORM_ID and names[(asset["Name"] or "").casefold()] == 1
    ]
    found = {ticket: set(truth["expected_asset_ids"]) for ticket, truth in state.truths.items()}
    for ticket, right in found.items():
        if right and dice.random() < wrong:
            found[ticket] = {dice.choice(spare)}
    return found


def settle(simulator: Simulator, want: dict[int, set[int]]) -> None:
    """Let a technician put on each ticket what people want, and close it."""
    tech = simulator.technician(TECH)
    for ticket, right in want.items():
        there = set(simulator.state.asset_ids_of(ticket))
        for asset in there - right:
            tech.remove_asset(ticket, asset)
        for asset in right - there:
            tech.add_asset(ticket, asset)
        tech.change_status(ticket, "Closed")
