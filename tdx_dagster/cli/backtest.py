"""`backtest`: what a configuration would attach on closed tickets, against what people ended with.

Nothing is written to TDX or the action log. Tickets are read once and kept in the database.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import yaml
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tdx_dagster.cli.output import err, out, print_json
from tdx_dagster.cli.plan import choose_pipeline, prepare_for
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.current import CurrentInventory
from tdx_dagster.postgres.database import engine
from tdx_dagster.quality.backtest import (
    Backtest,
    Compared,
    Configuration,
    State,
    compare,
    differing,
)
from tdx_dagster.quality.past_tickets import PastTickets
from tdx_dagster.quality.report import SILENCE, percent
from tdx_dagster.resources import DatabaseProvider, TdxProvider
from tdx_dagster.settings import SettingsError, load_inventory_settings
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.registry import read_actions

LISTED = 30

LEFT_OUT = (
    "Precision and recall are of the compared tickets. Where nobody has linked a computer, nobody has said "
    "what is right; replies beyond two calls a ticket are not read."
)

_DAYS = re.compile(r"(\d{1,4})d")


@click.command()
@click.option("--pipeline", help="Whose add_asset; may be left out where there is one.")
@click.option(
    "--defs",
    "defs_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A defs.yaml to compare with the pipeline as it is.",
)
@click.option("--since", default="90d", show_default=True, help="Tickets changed in so many days.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, the latest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--forget", is_flag=True, help="Remove the tickets that were read, and end.")
def backtest(
    *,
    pipeline: str | None,
    defs_file: Path | None,
    since: str,
    limit: int | None,
    as_json: bool,
    forget: bool,
) -> None:
    """Show what a configuration would attach on closed tickets, against what people ended with."""
    days = _DAYS.fullmatch(since)
    if not days:
        raise click.UsageError(f"--since {since!r}: a number of days is wanted, like 90d.")
    runtime = prepare() if forget else prepare_for(pipeline)
    tickets = PastTickets(engine(runtime.database))
    if forget:
        tickets.forget()
        out.print("The tickets that were read are removed.")
        return
    chosen = choose_pipeline(pipeline)
    tried = {"as it is": _configuration(chosen.actions, chosen.name)}
    if defs_file is not None:
        tried[str(defs_file)] = _configuration(_actions(defs_file), str(defs_file))
    results = _run(tickets, tried, timedelta(days=int(days[1])), limit)
    if as_json:
        print_json(_as_json(results))
    else:
        _show(results)


Results = dict[str, list[Compared]]


def _run(
    tickets: PastTickets, tried: dict[str, Configuration], span: timedelta, limit: int | None
) -> Results:
    now, tdx = datetime.now(UTC), TdxProvider(DatabaseProvider()).client(records=False)
    with err.status("Searching closed tickets …") as status:
        tickets.search(tdx, now - span, now)
        ids = tickets.read(
            tdx,
            now - span,
            limit,
            lambda done, of: status.update(f"Reading tickets, {done} of {of} …"),
        )
    database = load_inventory_settings()
    inventory = RememberingInventory(CurrentInventory(engine(prepare().database), database))
    results: Results = {name: [] for name in tried}
    for part in tickets.tickets(ids):
        for name, configuration in tried.items():
            results[name] += compare(part, configuration, inventory)
    return results


def _configuration(actions: Sequence[Action], place: str) -> Configuration:
    found = [action for action in actions if isinstance(action, AddAsset)]
    if not found:
        raise SettingsError(f"{place}: there is no add_asset to try; add one to its actions.")
    texts = tuple(text for action in actions for text in action.posted_texts())
    return Configuration(found[0].discovery_settings(), texts)


def _actions(file: Path) -> Sequence[Action]:
    try:
        read: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = read["attributes"]["actions"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise SettingsError(
            f"--defs {file}: attributes with actions are wanted, as in a pipeline's defs.yaml ({error})."
        ) from error
    return read_actions(entries, str(file))


def _as_json(results: Results) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "configurations": {name: Backtest(found).as_json() for name, found in results.items()},
        "note": SILENCE,
    }
    if len(results) > 1:
        shown["differing"] = [
            {
                "ticket_id": one.ticket_id,
                "would": {
                    name: sorted(each.would) for name, each in zip(results, pair, strict=True)
                },
                "right": sorted(one.ended.right) if one.state is State.COMPARED else None,
            }
            for pair in differing(*results.values())
            for one in pair[:1]
        ]
    return shown


def _show(results: Results) -> None:
    table = Table("", *results, box=SIMPLE_HEAD)
    shown = [Backtest(found).as_json() for found in results.values()]
    for state in State:
        table.add_row(f"tickets: {state}", *(str(one["tickets"][state.value]) for one in shown))
    for name in ("agreed", "wrong", "missed"):
        table.add_row(name, *(str(one[name]) for one in shown))
    table.add_row("precision", *(_with_interval(one) for one in shown))
    table.add_row("recall", *(percent(one["recall"]) for one in shown))
    where = "attached where nobody linked a computer, of the tickets read"
    table.add_row(where, *(_unlinked(one) for one in shown))
    out.print(table)
    out.print(LEFT_OUT, highlight=False)
    if len(results) == 1:
        _show_faults(shown[0]["faults"])
    else:
        _show_differing(results)
    out.print(SILENCE, highlight=False)


def _unlinked(one: dict[str, Any]) -> str:
    return f"{one['attached_where_nobody_linked']} on {one['read_where_nobody_linked']}"


def _with_interval(one: dict[str, Any]) -> str:
    if one["precision"] is None:
        return ""
    return f"{one['precision']:.1%} ({one['precision_low']:.1%} to {one['precision_high']:.1%})"


def _show_faults(faults: Sequence[dict[str, Any]]) -> None:
    for one in faults[:LISTED]:
        text = f"ticket {one['ticket_id']}: wrong {one['wrong']}, missed {one['missed']}"
        out.print(text, highlight=False, markup=False)
    if len(faults) > LISTED:
        out.print(f"{len(faults) - LISTED} more; --json lists all.", highlight=False)


def _show_differing(results: Results) -> None:
    pairs = differing(*results.values())
    out.print(f"{len(pairs)} tickets differ.", highlight=False)
    for pair in pairs[:LISTED]:
        said = ", ".join(
            f"{name} {sorted(one.would)}" for name, one in zip(results, pair, strict=True)
        )
        right = sorted(pair[0].ended.right) if pair[0].state is State.COMPARED else "not known"
        out.print(
            f"ticket {pair[0].ticket_id}: {said}; right {right}", highlight=False, markup=False
        )
