"""The partitioned graph asset of a pipeline, its ops and its two jobs.

Belongs here: what a run looks like in Dagster. Does not: what an op does (`run_in_dagster`).
Ops pass the batch in memory; nothing of a ticket is written to disk (case C18), and an op that
is re-executed alone starts from its partitions and the action log.
"""

from collections.abc import Collection, Iterator, Mapping
from inspect import Parameter, Signature
from typing import Any

import dagster as dg

from tdx_dagster.failures import NO_RUN_RETRIES
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.batch import Batch
from tdx_dagster.tickets.launch import partitions_of
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.run_config import LOAD, RECORD, config_mapping, op_schema, run_config
from tdx_dagster.tickets.run_in_dagster import RunInDagster, rehearsal_job
from tdx_dagster.tickets.site import Site, described, tags_of_site

COMPUTERS_KEY = dg.AssetKey(["silver", "computers"])
OWNERS = ["team:service-desk"]
# Owners of jobs and sensors are a beta feature of Dagster, with a warning in each process.
OWNER_TAG = {"tdx/owner": "service-desk"}


def resources_of_run(pipeline: Pipeline) -> set[str]:
    """Give the keys of what a run on tickets needs."""
    return {pipeline.resource("tools"), pipeline.resource("database")}


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


def report_key(pipeline: Pipeline) -> dg.AssetKey:
    """Name the node of a pipeline's report in the lineage."""
    return dg.AssetKey(["tdx", f"{pipeline.name}_report"])


def build_report_spec(pipeline: Pipeline, site: Site | None = None) -> dg.AssetSpec:
    """Make the node of the report that a pipeline polls: TDX makes it, nothing here does."""
    return dg.AssetSpec(
        report_key(pipeline),
        group_name="teamdynamix",
        owners=OWNERS,
        kinds={"teamdynamix"},
        tags=tags_of_site(site),
        description=(
            f"TDX report {report_of(pipeline, site)}, polled by {pipeline.sensor_name}. {described(site)}"
        ),
    )


def build_ticket_asset(
    pipeline: Pipeline, computers: dg.AssetKey = COMPUTERS_KEY, site: Site | None = None
) -> dg.AssetsDefinition:
    """Make the graph asset of a pipeline: `load_tickets`, one op an action, `record`.

    Args:
        pipeline: The pipeline.
        computers: The asset it follows.
        site: The TDX, for people to see.
    """
    ins = {
        "computers": computers,
        "report": report_key(pipeline),
        **_tables_of(pipeline, known={computers}),
    }
    load = _load_op(pipeline, ins)
    actions = [(action, _action_op(pipeline, action)) for action in pipeline.actions]
    record = _record_op(pipeline)

    def ticket_asset(**given: Any) -> Any:  # noqa: ANN401  Dagster's graph of invocations
        batch = load.alias(LOAD)(**given)
        for action, op in actions:
            batch = op.alias(action.label)(batch)
        return record.alias(RECORD)(batch)

    # Dagster reads the names of the inputs, which only the pipeline knows.
    ticket_asset.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ins]
    )
    made: dg.AssetsDefinition = dg.graph_asset(
        name=pipeline.name,
        key_prefix=["tickets"],
        partitions_def=partitions_of(pipeline),
        ins={name: dg.AssetIn(key=key, dagster_type=dg.Nothing) for name, key in ins.items()},
        config=config_mapping(pipeline),
        backfill_policy=dg.BackfillPolicy.multi_run(pipeline.tickets_per_run),
        description=_description(pipeline, site),
        group_name="tickets",
        owners=OWNERS,
        tags=tags_of_site(site),
        kinds={"teamdynamix"},
    )(ticket_asset)
    return made


def _tables_of(pipeline: Pipeline, known: Collection[dg.AssetKey]) -> Mapping[str, dg.AssetKey]:
    """Give the keys of the tables that the look-ups of a pipeline read, by the name of their input."""
    keys = {
        dg.AssetKey.from_user_string(lookup.asset or lookup.table.replace(".", "/", 1))
        for action in pipeline.actions
        for _, lookup in action.lookups()
        if lookup.table
    }
    # A table may have a name that is none for an input.
    return {f"table_{number}": key for number, key in enumerate(sorted(keys - set(known)))}


def build_ticket_job(
    pipeline: Pipeline, asset: dg.AssetsDefinition, site: Site | None = None
) -> Any:  # noqa: ANN401  unresolved
    """Make the job of a pipeline, named after it."""
    return dg.define_asset_job(
        pipeline.name,
        # Each run evaluates the check itself, also where a ticket has failed.
        selection=dg.AssetSelection.assets(asset).without_checks(),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES | OWNER_TAG | tags_of_site(site),
        description=_description(pipeline, site),
    )


def build_rehearsal_job(
    pipeline: Pipeline, asset: dg.AssetsDefinition, site: Site | None = None
) -> Any:  # noqa: ANN401  unresolved
    """Make the job that shows what a run would write, and cannot write however it is configured."""
    return dg.define_asset_job(
        rehearsal_job(pipeline),
        selection=dg.AssetSelection.assets(asset).without_checks(),
        config=run_config(pipeline, dry_run=True),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES | OWNER_TAG | tags_of_site(site),
        description=(
            f"Dry run of {pipeline.name}: reads the tickets of TDX report {report_of(pipeline, site)} that are "
            "chosen, and shows on each what would be written. Its runs have no way to write, whatever their "
            f"config says. {described(site)}"
        ),
    )


def report_of(pipeline: Pipeline, site: Site | None) -> str:
    """Give the report of a pipeline for people."""
    report = pipeline.report_id or (site.default_report if site else None)
    return str(report or "named by DAEMON_REPORT_ID")


def _description(pipeline: Pipeline, site: Site | None) -> str:
    steps = " → ".join(action.label for action in pipeline.actions)
    mode = "Observe mode: every run is a dry run. " if pipeline.observes else ""
    return (
        f"{mode}Tickets of TDX report {report_of(pipeline, site)}. {described(site)} Each is a partition; a "
        f"run takes it through {steps}, each action once. What was done is in the action log; re-running a "
        "ticket does nothing twice. Materialising a ticket by hand tries at once what waits or was given up. "
        f"`{rehearsal_job(pipeline)}` writes nothing."
    )


def _load_op(pipeline: Pipeline, ins: Collection[str]) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{LOAD}",
        description="Plans the tickets of this run and reads those with something to do.",
        ins={name: dg.In(dg.Nothing) for name in ins},
        out=dg.Out(io_manager_key="tdx_dagster_batch_io"),
        config_schema=op_schema(),
        required_resource_keys=resources_of_run(pipeline),
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
        required_resource_keys=resources_of_run(pipeline),
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
        required_resource_keys=resources_of_run(pipeline),
    )
    def record(context: dg.OpExecutionContext, batch: Any) -> Iterator[Any]:  # noqa: ANN401  as above
        run = RunInDagster(context, pipeline)
        going: Batch = batch or run.load(pipeline.actions)
        run.finish(going)
        run.fail_if_unfinished(going)
        yield from ()  # no output: each ticket has an event of its own

    return record
