"""The partitioned graph asset of a pipeline, its ops and its job.

Belongs here: what a run looks like in Dagster. Does not: what is done to a ticket (`batch`, `actions`).
Ops hand each other the batch in memory; nothing of a ticket is written to disk (case C18), and an op that
is re-executed alone starts from its partitions and the action log.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import dagster as dg

from tdx_dagster.failures import NO_RUN_RETRIES, failure
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.batch import Batch, finish_batch, load_batch, run_action
from tdx_dagster.tickets.metadata import ticket_metadata, whole_run_table
from tdx_dagster.tickets.once.runner import Outcome, Result
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.runs import KEY, key_of, ticket_of, tickets_asked_for
from tdx_dagster.tickets.services import RunServices

COMPUTERS_KEY = dg.AssetKey(["silver", "computers"])
LOAD, RECORD = "load_tickets", "record"
RESOURCES = {"tdx_dagster_tools"}

# A message names so many tickets; the table has them all.
NAMED_TICKETS = 10


class BatchIOManager(dg.IOManager):
    """Writer the batch from op to op in memory.

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


@dg.io_manager(description="Writer the tickets of a run from op to op, in memory only.")
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
        config=_config_mapping(pipeline),
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
        # A check of all tickets has its own schedule; it must not run with each few.
        selection=dg.AssetSelection.assets(asset).without_checks(),
        executor_def=dg.in_process_executor,
        tags=NO_RUN_RETRIES,
        description=_description(pipeline),
    )


def partitions_of(pipeline: Pipeline) -> dg.DynamicPartitionsDefinition:
    """Give the partitions of a pipeline, one a ticket."""
    return dg.DynamicPartitionsDefinition(name=pipeline.partitions_name)


def run_config(pipeline: Pipeline, *, dry_run: bool) -> dict[str, Any]:
    """Give the run config of a pass."""
    return {"ops": {f"tickets__{pipeline.name}": {"config": {"dry_run": dry_run}}}}


def _description(pipeline: Pipeline) -> str:
    report = pipeline.report_id or "named by DAEMON_REPORT_ID"
    steps = " → ".join(action.label for action in pipeline.actions)
    return (
        f"Tickets of TDX report {report}. Each is a partition; a run takes it through {steps}, each action "
        "once. What was done is in the action log; re-running a ticket does nothing twice."
    )


def _load_op(pipeline: Pipeline) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{LOAD}",
        description="Plans the tickets of this run and reads those with something to do.",
        ins={"computers": dg.In(dg.Nothing)},
        out=dg.Out(io_manager_key="tdx_dagster_batch_io"),
        config_schema=_op_schema(None),
        required_resource_keys=RESOURCES,
    )
    def load(context: dg.OpExecutionContext) -> Batch:
        return _fresh_batch(context, pipeline)

    return load


def _action_op(pipeline: Pipeline, action: Action) -> dg.OpDefinition:
    @dg.op(
        name=f"{pipeline.name}__{action.label}",
        description=(type(action).__doc__ or action.label).strip().splitlines()[0],
        out=dg.Out(io_manager_key="tdx_dagster_batch_io"),
        config_schema=_op_schema(action),
        required_resource_keys=RESOURCES,
    )
    def act(context: dg.OpExecutionContext, batch: Any) -> Batch:  # noqa: ANN401  None when alone
        going: Batch = batch or _fresh_batch(context, pipeline)
        services: RunServices = context.resources.tdx_dagster_tools
        going.pipeline = _configured(going.pipeline, action, context.op_config)
        configured = going.pipeline.action(action.label)
        runner = services.runner(pipeline, context.run_id, context.log.warning)
        try:
            for outcome in run_action(runner, configured, going):
                _log(context, outcome)
                services.progress(outcome)
        except TdxError as error:
            raise failure(str(error)) from error
        if going.has_failed:
            first = going.failed[0].failure
            raise failure(
                f"{action.label}: no ticket is left to go on with ({first.message if first else ''})",
                {"tickets": whole_run_table(going)},
            )
        return going

    return act


def _record_op(pipeline: Pipeline) -> dg.OpDefinition:
    key = dg.AssetKey(list(pipeline.asset_key))

    @dg.op(
        name=f"{pipeline.name}__{RECORD}",
        description="Shows on each ticket's partition what was done and why.",
        out=dg.Out(dg.Nothing, is_required=False),
        config_schema=_op_schema(None),
        required_resource_keys=RESOURCES,
    )
    def record(context: dg.AssetExecutionContext, batch: Any) -> Iterator[Any]:  # noqa: ANN401  as above
        services: RunServices = context.resources.tdx_dagster_tools
        batch = batch or _fresh_batch(context.op_execution_context, pipeline)
        runner = services.runner(pipeline, context.run.run_id, context.log.warning)
        try:
            finish_batch(runner, batch)
        except StoreUnavailable as error:
            raise failure(str(error)) from error
        _show(context, key, batch, services)
        unfinished = [ticket for ticket in batch.tickets if not ticket.is_done]
        if unfinished and not batch.is_dry_run:
            raise failure(
                f"{len(unfinished)} of {len(batch.tickets)} tickets failed, wait or are blocked: "
                f"{', '.join(str(ticket.id) for ticket in unfinished[:NAMED_TICKETS])}; the others are done. "
                "See `tdx-dagster failed`.",
                {"tickets": whole_run_table(batch)},
            )
        yield from ()  # no output: each ticket has an event of its own

    return record


def _show(
    context: dg.AssetExecutionContext, key: dg.AssetKey, batch: Batch, services: RunServices
) -> None:
    """Materialise the tickets that are done; the others stay as they were (case C29).

    Each ticket has an event of its own: an output would count for every partition of the run's range, whichever
    tickets the run was asked for (case F17).
    """
    for ticket in batch.tickets:
        partition, metadata = key_of(ticket.id), ticket_metadata(ticket, batch, services)
        if ticket.is_done and not batch.is_dry_run:
            context.log_event(dg.AssetMaterialization(key, partition=partition, metadata=metadata))
        else:
            context.log_event(dg.AssetObservation(key, partition=partition, metadata=metadata))


def _fresh_batch(context: dg.OpExecutionContext, pipeline: Pipeline) -> Batch:
    services: RunServices = context.resources.tdx_dagster_tools
    try:
        return load_batch(
            services.runner(pipeline, context.run_id, context.log.warning),
            pipeline,
            _tickets_of(context),
            services.view,
            dry_run=bool(context.op_config["dry_run"]),
        )
    except (TdxError, StoreUnavailable) as error:
        raise failure(str(error)) from error


def _tickets_of(context: dg.OpExecutionContext) -> Sequence[int]:
    """Give the tickets the run was asked for: those its tags name, else its partitions."""
    asked = tickets_asked_for(context.run.tags)
    if asked:
        return asked
    keys = context.partition_keys
    refused = [key for key in keys if not KEY.match(key)]
    if refused:
        context.log.warning(f"Partitions that are no ticket id, left out: {', '.join(refused)}")
    tickets = [ticket_of(key) for key in keys if KEY.match(key)]
    if not tickets:
        raise failure("None of the partitions of this run is a ticket id: there is nothing to do.")
    return tickets


def _log(context: dg.OpExecutionContext, outcome: Outcome) -> None:
    text = f"Ticket {outcome.ticket_id}: {outcome.action_name}: {outcome.result.value}: {outcome.message}"
    if outcome.result is Result.FAILED:
        context.log.error(text)
    else:
        context.log.info(text)
    for effect in outcome.planned:
        context.log.info(
            f"Ticket {outcome.ticket_id}: would write {effect.name}: {dict(effect.detail)}"
        )


def _configured(pipeline: Pipeline, action: Action, config: Mapping[str, Any]) -> Pipeline:
    """Give the pipeline with the settings that this run's config has for an action."""
    settings = {name: value for name, value in config.items() if name != "dry_run"}
    return pipeline.with_settings({action.label: settings})


def _config_mapping(pipeline: Pipeline) -> dg.ConfigMapping:
    """One switch `dry_run` for the whole run, and a block of settings for each action."""
    fields: dict[str, dg.Field] = {"dry_run": _DRY_RUN}
    for action in pipeline.actions:
        fields[action.label] = dg.Field(
            _settings_schema(action), description=f"Settings of {action.label} in this run."
        )

    def hand_out(config: Mapping[str, Any]) -> dict[str, Any]:
        dry_run = {"dry_run": config["dry_run"]}
        return {
            LOAD: {"config": dry_run},
            RECORD: {"config": dry_run},
            **{
                action.label: {"config": dry_run | config[action.label]}
                for action in pipeline.actions
            },
        }

    return dg.ConfigMapping(config_schema=fields, config_fn=hand_out)


_DRY_RUN = dg.Field(
    bool,
    default_value=False,
    description="Read everything, write nothing: not TDX, not the action log, no materialisation.",
)


def _op_schema(action: Action | None) -> dict[str, dg.Field]:
    return {"dry_run": _DRY_RUN} | (_settings_schema(action) if action else {})


def _settings_schema(action: Action) -> dict[str, dg.Field]:
    """Turn an action's settings into Dagster config, with the pipeline's values as defaults."""
    values = action.model_dump(mode="json")
    return {
        name: dg.Field(_config_type(info.annotation), default_value=values[name], is_required=False)
        for name, info in type(action).model_fields.items()
        if name != "name"
    }


def _config_type(annotation: Any) -> Any:  # noqa: ANN401  a type in, a Dagster config type out
    plain = {bool: bool, int: int, float: float, str: str}
    if annotation in plain:
        return plain[annotation]
    parts = [part for part in get_args(annotation) if part not in {type(None), Ellipsis}]
    if type(None) in get_args(annotation) and len(parts) == 1:
        return dg.Noneable(_config_type(parts[0]))
    if len(parts) == 1 and parts[0] in plain:
        return [plain[parts[0]]]
    return dg.Any
