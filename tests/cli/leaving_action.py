"""An action that ends the process it runs in, as a library deep below may do."""

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import Performed


class Leaves(Action):
    """Leaves."""

    def perform(self, context: ActionContext) -> Performed:
        """Leave."""
        del context
        raise SystemExit(3)
