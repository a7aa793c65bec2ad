"""`baseline`: records all tickets now in a report as done, for turning a pipeline on over an old queue."""

from collections.abc import Iterator, Sequence

import click

from tdx_dagster.cli.output import out, print_json
from tdx_dagster.cli.plan import PassRequest, PlannedPass, plan_pass, prepare_for

# One statement stores so many; a report of 10,000 tickets takes 20.
TICKETS_PER_BATCH = 500
NOTE = {
    "baseline": True,
    "message": "Taken as done: in the report when the pipeline was turned on",
}


@click.command()
@click.option("--pipeline", required=True, help="Its name.")
@click.option("--report-id", type=click.IntRange(1), help="Instead of the pipeline's report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def baseline(*, pipeline: str, report_id: int | None, as_json: bool) -> None:
    """Record every action of a pipeline as done on all tickets now in its report, doing none."""
    prepare_for(pipeline)
    planned = plan_pass(PassRequest(pipeline, report_id))
    recorded = sum(_record(planned, batch) for batch in _batches(planned.report.ticket_ids))
    tickets = len(planned.report.ticket_ids)
    if as_json:
        print_json({"pipeline": planned.pipeline.name, "tickets": tickets, "recorded": recorded})
        return
    out.print(
        f"{recorded} actions on {tickets} tickets are recorded as done; only new tickets will be acted on.",
        highlight=False,
    )


def _record(planned: PlannedPass, tickets: Sequence[int]) -> int:
    return planned.services.store.mark_all_completed(
        tickets,
        [action.identity() for action in planned.pipeline.actions],
        pipeline=planned.pipeline.name,
        metadata=NOTE,
    )


def _batches(tickets: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(tickets), TICKETS_PER_BATCH):
        yield tickets[start : start + TICKETS_PER_BATCH]
