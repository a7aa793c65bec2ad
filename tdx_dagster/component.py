"""`TicketPipeline`: the Dagster component that turns a `defs.yaml` into asset, job, sensor and partitions.

Belongs here: the attributes people write in YAML, and making definitions of them. Does not: what the
actions do, what a run looks like (`tickets.asset`), what TDX or a database needs.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster.components.core.component_tree import ComponentTree
from pydantic import Field

import tdx_dagster.defs
from tdx_dagster.inventory.columns import InventoryKeys
from tdx_dagster.settings import load_inventory_settings, load_sensor_settings
from tdx_dagster.tickets.actions.registry import read_actions
from tdx_dagster.tickets.job import build_ticket_asset, build_ticket_job
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.sensor import build_sensor

DEFS_FOLDER = Path(tdx_dagster.defs.__file__).parent

# Overlapping ticks of a very short interval would start work twice over (case C28); harmless, but wasteful.
SHORTEST_INTERVAL = 30


def _plain_mappings(_: dg.ResolutionContext, entries: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401  YAML
    """Take the actions as plain mappings: each is read by its own type, with a message that names it."""
    return [dict(entry) if isinstance(entry, Mapping) else entry for entry in entries]


class TicketPipeline(dg.Component, dg.Model, dg.Resolvable):
    """One TDX report with its actions; the folder's name is the pipeline's."""

    report_id: int | None = Field(None, ge=1, description="The report; left out: DAEMON_REPORT_ID.")
    ticket_column: str | None = Field(None, description="The ticket column; left out: found.")
    interval_seconds: int = Field(300, ge=SHORTEST_INTERVAL, description="Between two looks.")
    tickets_per_run: int = Field(30, ge=1, le=500, description="At most so many in one run.")
    act_on_closed: bool = Field(default=False, description="Act on closed tickets too.")
    actions: Annotated[
        Sequence[Mapping[str, Any]],
        dg.Resolver(_plain_mappings, model_field_type=list[dict[str, Any]]),
    ]

    def spec(self, name: str, place: str) -> Pipeline:
        """Give the pipeline in plain Python.

        Args:
            name: Its name, the folder's.
            place: Its file, for error messages.

        Raises:
            BadAction: An action cannot be read.
        """
        return Pipeline(
            name=name,
            actions=read_actions(self.actions, place),
            report_id=self.report_id,
            ticket_column=self.ticket_column,
            interval_seconds=self.interval_seconds,
            tickets_per_run=self.tickets_per_run,
            act_on_closed=self.act_on_closed,
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions of the pipeline."""
        return pipeline_definitions(self.spec(context.path.name, place_of(context.path)))


def pipeline_definitions(pipeline: Pipeline) -> dg.Definitions:
    """Make asset, job and sensor of a pipeline."""
    computers = InventoryKeys.of(load_inventory_settings()).computers
    asset = build_ticket_asset(pipeline, computers)
    job = build_ticket_job(pipeline, asset)
    given = load_sensor_settings()
    is_on = given.tdx_sensors == "on"
    status = dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED
    seconds = given.tdx_poll_seconds or pipeline.interval_seconds
    return dg.Definitions(
        assets=[asset], jobs=[job], sensors=[build_sensor(pipeline, job, status, seconds)]
    )


def component_tree() -> ComponentTree:
    """Give the pipelines of the `defs` folder as Dagster sees them."""
    return ComponentTree.from_module(
        defs_module=tdx_dagster.defs, project_root=DEFS_FOLDER.parent.parent
    )


def load_pipelines(tree: ComponentTree | None = None) -> dict[str, Pipeline]:
    """Give all pipelines by name.

    Args:
        tree: What `component_tree` gave, where it is at hand.

    Raises:
        BadAction: An action cannot be read.
    """
    tree = tree or component_tree()
    found = {}
    with suppress_preview_warnings():
        for file in sorted(DEFS_FOLDER.rglob("defs.yaml")):
            component = tree.load_component(file.parent.relative_to(DEFS_FOLDER))
            if isinstance(component, TicketPipeline):
                name = file.parent.name
                found[name] = component.spec(name, place_of(file.parent))
    return found


@contextmanager
def suppress_preview_warnings() -> Iterator[None]:
    """Keep Dagster's notes about its own beta features from people; the version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def place_of(folder: Path) -> str:
    """Name a pipeline's file for people."""
    return f"defs/{folder.name}/defs.yaml"
