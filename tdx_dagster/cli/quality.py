"""`quality`: shows how often discovery is right, by what people did afterwards. Showing asks TDX nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.runtime import prepare
from tdx_dagster.cli.sample import ask_sample, export_faults
from tdx_dagster.postgres.database import engine
from tdx_dagster.quality.rates import Rates
from tdx_dagster.quality.report import HEADINGS, SILENCE, QualityReport, cells
from tdx_dagster.quality.store import QualityStore

LISTED = 20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--export",
    "export_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the removed and missed as cases, personal data replaced.",
)
@click.option("--sample", type=click.IntRange(1), help="Judge so many by hand, drawn at random.")
def quality(*, as_json: bool, export_file: Path | None, sample: int | None) -> None:
    """Show how often discovery is right, by kind of evidence."""
    if sum((as_json, export_file is not None, sample is not None)) > 1:
        raise click.UsageError("Give one of --json, --export and --sample.")
    if export_file is not None:
        export_faults(export_file)
        return
    if sample is not None:
        ask_sample(sample)
    store = QualityStore(engine(prepare().database))
    shown = QualityReport.read(store, datetime.now(UTC))
    if as_json:
        print_json(shown.as_json())
    else:
        _show(shown)


def _show(shown: QualityReport) -> None:
    if not (shown.verdicts or shown.answers):
        out.print(
            "Nothing was judged yet: switch on the schedule quality_discovery_schedule, or materialise "
            "quality/discovery after office hours.",
            highlight=False,
        )
        return
    out.print(_table("Last quarter", shown.quarter), _table("All times", shown.always))
    if shown.answers:
        out.print(_table("Judged by people who were asked", shown.sampled))
        out.print(shown.none_found, highlight=False)
    for one in shown.faults[:LISTED]:
        out.print(
            f"ticket {one.ticket_id}: {one.name or one.asset_id} {one.outcome} ({one.evidence})",
            highlight=False,
            markup=False,
        )
    out.print(f"{shown.judged} tickets judged, {shown.waiting} waiting. {SILENCE}", highlight=False)


def _table(title: str, rates: Sequence[Rates]) -> Table:
    table = Table(*HEADINGS, title=title, box=SIMPLE_HEAD)
    for one in rates:
        table.add_row(*cells(one))
    return table
