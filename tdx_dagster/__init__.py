"""A robot that works through the tickets of a TeamDynamix report, as a Dagster project.

Glossary: a *ticket*, *asset*, *feed*, *report*, *requestor* are TDX's; a *partition*, *run*, *sensor*,
*op*, *materialisation* are Dagster's. A *pipeline* is one report with its actions; an *action* is one
thing done to a ticket, once; the *action log* is the table that says what was done. A run *claims* an action
for the time of a *lease*, which it renews. An *effect* is one write to TDX: its *intent* is stored, the *fence*
checks the claim right before it is sent, it is *settled* with what came of it, and after an unclear answer it
is *looked for* on the ticket. A *summary* is the comment with the results that no summary has. The
*inventory* is what we know of computers; *discovery* finds those a ticket is about.

Nothing but names lives here: importing the package must stay cheap, so that `--help` and the simulator
start at once. What needs Dagster is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdx_dagster.assembly import definitions_for, with_resources
    from tdx_dagster.component import Inventory, TicketPipeline
    from tdx_dagster.tickets.pipeline import Pipeline

__all__ = ["Inventory", "Pipeline", "TicketPipeline", "definitions_for", "with_resources"]

_PLACES = {
    "Inventory": "tdx_dagster.component",
    "Pipeline": "tdx_dagster.tickets.pipeline",
    "TicketPipeline": "tdx_dagster.component",
    "definitions_for": "tdx_dagster.assembly",
    "with_resources": "tdx_dagster.assembly",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  the type is that of the attribute asked for
    """Load a name when it is asked for; Dagster takes a second to import."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is loaded on first use too: `dg` finds components by it."""
    return sorted({*globals(), *__all__})
