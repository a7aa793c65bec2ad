"""A robot that works through the tickets of a TeamDynamix report, as a Dagster project.

Glossary: a *ticket*, *asset*, *feed*, *report*, *requestor* are TDX's; a *partition*, *run*, *sensor*,
*op*, *materialisation* are Dagster's. A *pipeline* is one report with its actions; an *action* is one
thing done to a ticket, once; the *action log* is the table that says what was done; an *effect* is one
write to TDX; the *inventory* is what we know of computers; *discovery* finds those a ticket is about.

Nothing but names lives here: importing the package must stay cheap, so that `--help` and the simulator
start at once. `TicketPipeline` is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tdx_dagster.component import TicketPipeline

__all__ = ["TicketPipeline"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  the type is that of the attribute asked for
    """Load `TicketPipeline` when a defs.yaml asks for it; Dagster takes a second to import."""
    if name == "TicketPipeline":
        from tdx_dagster.component import TicketPipeline  # noqa: PLC0415  see above

        return TicketPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
