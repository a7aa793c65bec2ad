"""One run of a pipeline in Dagster: load the tickets, run actions over them, show what came of it.

Belongs here: what the ops of `job` have in common. An op that is re-executed alone does the actions before it
as well, and an op in which a ticket failed does the ones after it, so that no other ticket waits. Does not:
what is done to a ticket (`batch`, `actions`), what is shown of it (`metadata`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import dagster as dg
from sqlalchemy import Engine

from tdx_dagster.dagster_internals import op_names, tag_run
from tdx_dagster.environment import SettingsError, log_command
from tdx_dagster.failures import failure, failure_of
from tdx_dagster.inventory.asset_checks import severity_of
from tdx_dagster.inventory.checks import Verdict
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.state.decisions import Decisions, Person
from tdx_dagster.state.records import LogRow, StoreUnavailable
from tdx_dagster.state.store import ActionStore
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.registry import BadAction
from tdx_dagster.tickets.batch import Batch, TicketRun, finish_batch, load_batch, run_action
from tdx_dagster.tickets.checks import (
    NOBODY_NEEDED,
    STUCK,
    check_people_needed,
    check_stuck_tickets,
    waiting_key,
)
from tdx_dagster.tickets.dry_run import WithoutUncertain
from tdx_dagster.tickets.metadata import (
    PLANNED,
    planned_table,
    run_totals,
    ticket_metadata,
    whole_run_table,
)
from tdx_dagster.tickets.observe import gather
from tdx_dagster.tickets.once.outcomes import Outcome, Result
from tdx_dagster.tickets.once.runner import ActionRunner
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.plan import as_asked_for
from tdx_dagster.tickets.run_config import OVERRIDE, refuse_unread_ops, settings_given
from tdx_dagster.tickets.run_tags import (
    BACKFILL_TAG,
    NOTHING_TO_DO,
    is_by_hand,
    person_of,
    tags_of_run,
)
from tdx_dagster.tickets.runs import KEY, key_of, ticket_of, tickets_asked_for
from tdx_dagster.tickets.services import RunServices

# A message names so many tickets; the table has them all.
NAMED_TICKETS = 10


def rehearsal_job(pipeline: Pipeline) -> str:
    """Name the job of a pipeline that never writes."""
    return f"{pipeline.name}_rehearsal"


@dataclass(frozen=True)
class RunInDagster:
    """What an op does with the tickets of its run.

    Args:
        context: The op's.
        pipeline: As its `defs.yaml` has it.
    """

    context: dg.OpExecutionContext
    pipeline: Pipeline

    @property
    def is_dry_run(self) -> bool:
        """Whether the config says so, or the job or the pipeline's mode, which no config overrules."""
        is_rehearsal = self.context.run.job_name == rehearsal_job(self.pipeline)
        return self.pipeline.observes or is_rehearsal or bool(self.context.op_config["dry_run"])

    @property
    def services(self) -> RunServices:
        """What the run works with; in a dry run without any way to write."""
        given: RunServices = getattr(self.context.resources, self.pipeline.resource("tools"))
        return given.without_writes if self.is_dry_run else given

    def _runner(self) -> ActionRunner:
        runner = self.services.runner(self.pipeline, self.context.run_id, self.context.log.warning)
        if self.is_dry_run and self._allows_uncertain:
            return replace(runner, store=cast("ActionStore", WithoutUncertain(runner.store)))
        return runner

    @property
    def _allows_uncertain(self) -> bool:
        by_hand = is_by_hand(self.context.run.tags)
        return by_hand and bool(self.context.op_config["allow_uncertain"])

    def load(self, actions_before: Sequence[Action] = ()) -> Batch:
        """Plan and read the tickets; run the actions before this op where it is re-executed alone."""
        refuse_unread_ops(self.context.run.run_config, op_names(self.context))
        tickets = tickets_of(self.context)
        self._tag(tags_of_run(self.context.run.tags, tickets, is_dry_run=self.is_dry_run))
        try:
            pipeline = self.pipeline.with_settings(
                settings_given(self.pipeline, self.context.run.run_config)
            )
            self._retry_now(pipeline, tickets)
            self._override(pipeline, tickets)
            batch = load_batch(
                self._runner(),
                pipeline,
                tickets,
                self.services.view,
                dry_run=self.is_dry_run,
                judged=self._judged(pipeline),
            )
        except (
            TdxError,
            StoreUnavailable,
            InventoryUnavailable,
            BadAction,
            SettingsError,
        ) as error:
            raise failure_of(error) from None
        if not any(ticket.is_pending for ticket in batch.tickets):
            self._tag({NOTHING_TO_DO: "true"})
        for action in actions_before:
            self.perform(batch, action)
        return batch

    def _retry_now(self, pipeline: Pipeline, tickets: Sequence[int]) -> None:
        """Make due at once what waits or was given up, where a person has launched the run."""
        if self.is_dry_run or not is_by_hand(self.context.run.tags):
            return
        asked = self.services.store.retry_now(
            tickets,
            [identified.action_id for identified in pipeline.identified.values()],
            run_id=self.context.run_id,
            include_uncertain=self._allows_uncertain,
        )
        if asked:
            self.context.log.info(f"Launched by a person: {asked} actions are due at once.")

    def _judged(self, pipeline: Pipeline) -> Callable[[Sequence[LogRow]], Sequence[LogRow]]:
        """Judge a dry run that a person launches as the run that the person would launch after it."""
        if not self.is_dry_run or not is_by_hand(self.context.run.tags):
            return lambda rows: rows
        ids = {identified.action_id for identified in pipeline.identified.values()}
        return partial(as_asked_for, action_ids=ids, include_uncertain=self._allows_uncertain)

    def _override(self, pipeline: Pipeline, tickets: Sequence[int]) -> None:
        """Allow computers that people have removed, where a person has given a reason for these tickets."""
        reason = str(self.context.op_config[OVERRIDE])
        tags = self.context.run.tags
        attaching = [
            one.identity().action_id for one in pipeline.actions if isinstance(one, AddAsset)
        ]
        if not reason or not attaching:
            return
        if self.is_dry_run:
            self.context.log.warning(f"{OVERRIDE} is not recorded: this run writes nothing.")
            return
        if BACKFILL_TAG in tags:
            raise failure(
                f"{OVERRIDE} is set and this run belongs to a backfill: nothing was done. Launch the tickets "
                "by themselves."
            )
        by = Person(person_of(tags), reason, self.context.run_id)
        Decisions(self._engine).override(tickets, attaching, by)
        self.context.log.info(f"Removals of computers are overruled by {by.name}: {reason}")

    def perform(self, batch: Batch, action: Action) -> None:
        """Run one action over the tickets, and log each outcome."""
        configured = batch.pipeline.action(action.label)
        try:
            for outcome in run_action(self._runner(), configured, batch):
                self._log(outcome)
                self.services.progress(outcome)
        except (TdxError, SettingsError, StoreUnavailable, InventoryUnavailable) as error:
            raise failure_of(error) from None

    def stop_if_failed(self, batch: Batch, action: Action) -> None:
        """Turn this op red where a ticket has failed, after the other tickets have had their later actions."""
        if not batch.failed:
            return
        labels = [one.label for one in self.pipeline.actions]
        later = self.pipeline.actions[labels.index(action.label) + 1 :]
        for one in later:
            self.perform(batch, one)
        self.finish(batch)
        raise self._failure(batch, action.label, has_later=bool(later))

    def _failure(self, batch: Batch, where: str, *, has_later: bool) -> dg.Failure:
        failed = batch.failed
        first = next(ticket.failure.message for ticket in failed if ticket.failure)
        go_on = " The other tickets have had their later actions." if has_later else ""
        said = (
            f"{where} failed on {len(failed)} of {len(batch.tickets)} tickets: {_named(failed)}. "
            f"{first}{go_on if len(failed) < len(batch.tickets) else ''} "
            f"{log_command('failed')} says what comes back by itself; materialise a ticket to try it now."
        )
        return failure(said, self._shown_of_run(batch))

    def finish(self, batch: Batch) -> None:
        """Show on each ticket where it stands, on the asset what the run cost, and judge what is stuck."""
        try:
            finish_batch(self._runner(), batch)
            shown = [
                (ticket, ticket_metadata(ticket, batch, self.services)) for ticket in batch.tickets
            ]
        except StoreUnavailable as error:
            raise failure_of(error) from None
        for ticket, metadata in shown:
            self._show(ticket, metadata, is_done=ticket.is_done and not batch.is_dry_run)
        shown_of_run = run_totals(batch, self.services)
        if batch.is_dry_run:
            shown_of_run[PLANNED] = planned_table(batch, self.services)
            shown_of_run |= gather(self.context.instance, self._key, shown)
        self.context.log_event(dg.AssetObservation(self._key, metadata=shown_of_run))
        self._judge_stuck()

    def fail_if_unfinished(self, batch: Batch) -> None:
        """Fail where tickets wait or are blocked: such a run is no success."""
        if batch.failed:
            raise self._failure(batch, "An action", has_later=False)
        unfinished = [ticket for ticket in batch.tickets if not ticket.is_done]
        if unfinished and not batch.is_dry_run:
            raise failure(
                f"{len(unfinished)} of {len(batch.tickets)} tickets failed, wait or are blocked: "
                f"{_named(unfinished)}; the others are done. See {log_command('failed')}; materialise a ticket "
                "to try it now.",
                self._shown_of_run(batch),
            )

    def _shown_of_run(self, batch: Batch) -> Mapping[str, Any]:
        return {"tickets": whole_run_table(batch), **run_totals(batch, self.services)}

    def _show(self, ticket: TicketRun, metadata: Mapping[str, Any], *, is_done: bool) -> None:
        """Materialise a ticket that is done; another stays as it was (case C29).

        Each ticket has an event of its own: an output would count for every partition of the run's range,
        whichever tickets the run was asked for (case F17).
        """
        kind = dg.AssetMaterialization if is_done else dg.AssetObservation
        self.context.log_event(kind(self._key, partition=key_of(ticket.id), metadata=metadata))

    def _judge_stuck(self) -> None:
        if self.is_dry_run:
            return
        engine, tdx = self._engine, self.pipeline.tdx
        self._log_verdict(self._key, STUCK, check_stuck_tickets(engine, self.pipeline.name))
        self._log_verdict(waiting_key(tdx), NOBODY_NEEDED, check_people_needed(engine, tdx))

    def _log_verdict(self, key: dg.AssetKey, check: str, verdict: Verdict) -> None:
        said = dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=check,
            passed=verdict.passed,
            severity=severity_of(verdict),
            description=verdict.text,
            metadata={name: dg.MetadataValue.int(int(n)) for name, n in verdict.numbers.items()},
        )
        # Dagster takes it here, and its annotation leaves it out.
        self.context.log_event(cast("Any", said))

    @property
    def _engine(self) -> Engine:
        engine: Engine = getattr(
            self.context.resources, self.pipeline.resource("database")
        ).engine()
        return engine

    @property
    def _key(self) -> dg.AssetKey:
        return dg.AssetKey(list(self.pipeline.asset_key))

    def _tag(self, tags: Mapping[str, str]) -> None:
        if tags:
            tag_run(self.context.instance, self.context.run_id, tags)

    def _log(self, outcome: Outcome) -> None:
        log, ticket = self.context.log, outcome.ticket_id
        say = log.error if outcome.result is Result.FAILED else log.info
        say(f"Ticket {ticket}: {outcome.action_name}: {outcome.result.value}: {outcome.message}")
        for effect in outcome.planned:
            log.info(f"Ticket {ticket}: would write {effect.name}: {dict(effect.detail)}")


def _named(tickets: Sequence[TicketRun]) -> str:
    named = ", ".join(str(ticket.id) for ticket in tickets[:NAMED_TICKETS])
    more = len(tickets) - NAMED_TICKETS
    return f"{named} and {more} more" if more > 0 else named


def tickets_of(context: dg.OpExecutionContext) -> Sequence[int]:
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
