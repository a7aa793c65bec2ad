"""What `check` reads in TDX of a pipeline: its report, a few tickets, an asset.

Belongs here: single reads, each with the sentence that says what came of it. Does not: their order (`check`).
"""

from tdx_dagster.settings import load_settings
from tdx_dagster.tdx.client import Tdx
from tdx_dagster.tdx.errors import TdxRefused, TdxSettingError
from tdx_dagster.tdx.models import AssetSearch
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.report import read_tickets

# One may be gone since the report was made; several of them show that the application is wrong.
TICKETS_TRIED = 3


class CheckWarning(Exception):
    """Not wrong, but worth saying."""


def read_ticket(tdx: Tdx, pipeline: Pipeline) -> str:
    """Read a ticket of the report, since only that shows that the application is the tickets' own."""
    report = tdx.report(load_settings().report_id(pipeline.report_id))
    ticket_ids = read_tickets(report, pipeline.ticket_column).ticket_ids[:TICKETS_TRIED]
    read, refusals = [], []
    for ticket_id in ticket_ids:
        try:
            read.append(tdx.ticket(ticket_id).id)
        except TdxRefused as error:
            refusals.append(str(error))
    if read and refusals:
        raise CheckWarning(
            f"{len(refusals)} of the report's first {len(ticket_ids)} tickets cannot be read, so nothing is "
            f"done on them: they are deleted, or in another application. {refusals[0]}"
        )
    if not refusals:
        return f"ticket {read[0]} can be read" if read else "the report is empty"
    tdx.check_ticket_app()
    raise TdxSettingError(
        f"TDX_TICKET_APP_ID (or TDX_APP_ID): none of the report's first tickets can be read. {refusals[0]}"
    )


def read_asset(tdx: Tdx) -> str:
    """Read one asset, since only that shows that the application is theirs and readable."""
    found = tdx.search_assets(AssetSearch(max_results=1))
    if not found:
        raise CheckWarning(
            "The application of TDX_ASSET_APP_ID holds no asset that this account can see."
        )
    return f"asset {tdx.asset(found[0].id).id} can be read"


def read_report(tdx: Tdx, pipeline: Pipeline) -> str:
    """Read the report, since only that shows that it has tickets."""
    report_id = load_settings().report_id(pipeline.report_id)
    found = read_tickets(tdx.report(report_id), pipeline.ticket_column)
    text = f"report {report_id}: {len(found.ticket_ids)} tickets, from column {found.column!r}"
    if found.rejected:
        raise CheckWarning(f"{text}; {len(found.rejected)} rows without a usable id")
    if found.may_be_cut:
        raise CheckWarning(f"{text}; as many rows as its maximum, so some may be missing")
    return text
