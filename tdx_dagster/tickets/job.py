"""The partitioned graph asset of a pipeline, its ops and its two jobs.

Belongs here: what a run looks like in Dagster. Does not: what an op does (`run_in_dagster`).
Ops hand each other the batch in memory; nothing of a ticket is written to disk (case C18), and an op that
is re-executed alone starts from its partitions and the action log.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from tdx_dagster.failures import NO_RUN_RETRIES
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.batch import Batch
from tdx_dagster.tickets.launch import partitions_of
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.run_config import LOAD, RECORD, config_mapping, op_schema, run_config
from tdx_dagster.tickets.run_in_dagster import RunInDagster, rehearsal_job

COMPUTERS_KEY = dg.AssetKey(["silver", "computers"])
RESOURCES = {"tdx_dagster_tools", "tdx_dagster_database"}


class BatchIOManager(dg.IOManager):
    """Pass the batch from op to op in memory.

    Where there is none, an op is being re-executed alone: it gets a fresh batch of its partitions.
    """

    def __init__(self) -> None:
        self._batches: dict[tuple[str, str], Batch] = {}

    def handle_output(self, context: dg.OutputContext, obj: Batch) -> None:
        """Keep the batch."""
        self._batches[context.run_id, context.step_key] = obj

    def load_input(self, context: dg.InputContext) -> Batch | None:
        """Give the batch of the op before, or None where that ran in another process."""
        before = context.upstream_output
        return self._batches.get((before.run_id, before.step_key)) if before else None


@dg.io_manager(description="Passes the tickets of a run from op to op, in memory only.")
def batch_io_manager(_: dg.InitResourceContext) -> BatchIOManager:
    """Make a `BatchIOManager`."""
    return BatchIOManager()


def build_ticket_asset(
    pipeline: Pipeline, computers: dg.AssetKey = COMPUTERS_KEY
) -> dg.AssetsDefinition:
    """Make the graph asset of a pipeline: `load_tickets`, one op an action, `record`.

    Args:
        pipeline: The pipeline.
        computers: The asset it follows.
    """
    load = _load_op(pipeline)
    actions = [(action, _action_op(pipeline, action)) for action in pipeline.actions]
    record = _record_op(pipeline)

    @dg.graph_asset(
        name=pipeline.name,
        key_prefix=["tickets"],
        partitions_def=partitions_of(pipeline),
        ins={"computers": dg.AssetIn(key=computers, dagster_type=dg.Nothing)},
        config=config_mapping(pipeline),
        backfill_policy=dg.BackfillPolicy.multi_run(pipeline.tickets_per_run),
        description=_description(pipeline),
        group_name="tickets",
        kinds={"teamdynamix"},
    )
    def ticket_asset(computers: Any) -> Any:  # noqa: ANN401  Dagster's graph of invocations
        batch = load.alias(LOAD)(computers)
        for action, op in actions:
            batch = op.alias(action.label)(batch)
        return record.alias(RECORD)(batch)

    return ticket_asset


def build_ticket_job(pipeline: Pipeline, asset: dg.AssetsDefinition) -> Any:  # noqa: ANN401  unresolved
    """Make the job of a pipeline, named after it."""
    return dg.define_asset_job(
        pipeline.name,
        # Each run evaluates the check itself, also where a ticket has failed.
        selection=dg.AssetSelection.assets(asset).without_checks(),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES,
        description=_description(pipeline),
    )


def build_rehearsal_job(pipeline: Pipeline, asset: dg.AssetsDefinition) -> Any:  # noqa: ANN401  unresolved
    """Make the job that shows what a run would write, and cannot write however it is configured."""
    return dg.define_asset_job(
        rehearsal_job(pipeline),
        selection=dg.AssetSelection.assets(asset).without_checks(),
        config=run_config(pipeline, dry_run=True),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES,
        description=(
            f"Dry run of {pipeline.name}: reads the tickets and shows on each what would be written. Its runs "
            "have no way to write, whatever their config says."
        ),
    )


def _description(pipeline: Pipeline) -> str:
    report = pipeline.report_id or "named by DAEMON_REPORT_ID"
    steps = " → ".join(action.label for action in pipeline.actions)
    mode = "Observe mode: every run is a dry run. " if pipeline.observes else ""
    return (
        f"{mode}Tickets of TDX report {report}. Each is a partition; a run takes it through {steps}, each "
        "action once. What was done is in the action log; re-running a ticket does nothing twice. "
        "Materialising a ticket by hand tries at once what waits or was given up. "
        f"`{rehearsal_job(pipeline)}` writes nothing."
    )


def _load_op(pipeline: Pipeline) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{LOAD}",
        description="Plans the tickets of this run and reads those with something to do.",
        ins={"computers": dg.In(dg.Nothing)},
        out=dg.Out(io_manager_key="tdx_dagster_batch_io"),
        config_schema=op_schema(),
        required_resource_keys=RESOURCES,
    )
    def load(context: dg.OpExecutionContext) -> Batch:
        return RunInDagster(context, pipeline).load()

    return load


def _action_op(pipeline: Pipeline, action: Action) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{action.label}",
        description=_about(action),
        out=dg.Out(io_manager_key="tdx_dagster_batch_io"),
        config_schema=op_schema(action),
        required_resource_keys=RESOURCES,
    )
    def act(context: dg.OpExecutionContext, batch: Any) -> Iterator[Any]:  # noqa: ANN401  None when alone
        run = RunInDagster(context, pipeline)
        going: Batch = batch or run.load(_before(pipeline, action))
        run.perform(going, action)
        run.stop_if_failed(going, action)
        yield dg.Output(going)

    return act


def _about(action: Action) -> str:
    about = (type(action).__doc__ or action.label).strip().splitlines()[0]
    return f"{about} Only when `{action.when}`." if action.when else about


def _before(pipeline: Pipeline, action: Action) -> list[Action]:
    labels = [one.label for one in pipeline.actions]
    return list(pipeline.actions[: labels.index(action.label)])


def _record_op(pipeline: Pipeline) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{RECORD}",
        description="Shows on each ticket's partition what was done and why.",
        out=dg.Out(dg.Nothing, is_required=False),
        config_schema=op_schema(),
        required_resource_keys=RESOURCES,
    )
    def record(context: dg.OpExecutionContext, batch: Any) -> Iterator[Any]:  # noqa: ANN401  as above
        run = RunInDagster(context, pipeline)
        going: Batch = batch or run.load(pipeline.actions)
        run.finish(going)
        run.fail_if_unfinished(going)
        yield from ()  # no output: each ticket has an event of its own

    return record
