"""`baseline`: takes all tickets now in the report as done, for turning a pipeline on over an old queue."""

import click

from tdx_dagster.cli.runtime import out, prepare, print_json


@click.command()
@click.option("--pipeline", required=True, help="Its name.")
@click.option("--report-id", type=click.IntRange(1), help="Instead of the pipeline's report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def baseline(*, pipeline: str, report_id: int | None, as_json: bool) -> None:
    """Record every action of a pipeline as done on all tickets now in its report, doing none."""
    from tdx_dagster.cli.passes import Wanted, prepare_pass  # noqa: PLC0415  imports Dagster

    prepare()
    ready = prepare_pass(Wanted(pipeline, report_id))
    note = {
        "baseline": True,
        "message": "Taken as done: in the report when the pipeline was turned on",
    }
    recorded = sum(
        ready.tools.store.mark_completed(
            ticket, action.identity(), pipeline=ready.pipeline.name, metadata=note
        )
        for ticket in ready.report.ticket_ids
        for action in ready.pipeline.actions
    )
    tickets = len(ready.report.ticket_ids)
    if as_json:
        print_json({"pipeline": ready.pipeline.name, "tickets": tickets, "recorded": recorded})
        return
    out.print(
        f"{recorded} actions on {tickets} tickets are taken as done; only new tickets will be acted on.",
        highlight=False,
    )
