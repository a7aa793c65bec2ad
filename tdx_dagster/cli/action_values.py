"""The values that the actions of a pipeline set, for `check`: those of the settings, and those of tables."""

from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.tables import Tables
from tdx_dagster.tickets.ticket_view import TdxReads


def values_set(tdx: TdxReads, pipeline: Pipeline) -> str:
    """Check that TDX has the values of the settings; name them.

    Raises:
        TdxSettingError: It has not.
    """
    found = (action.check(tdx) for action in pipeline.actions)
    return "; ".join(filter(None, found)) or "not used"


def tables_read(tdx: TdxReads, pipeline: Pipeline, tables: Tables) -> str:
    """Check the tables that values are looked up in: columns, rights, and that TDX has the values.

    Raises:
        TdxSettingError: A table or a column is not there or may not be read, or TDX has not a value of it.
    """
    found = (action.check_tables(tdx, tables) for action in pipeline.actions)
    return "; ".join(filter(None, found)) or "maps alone"
