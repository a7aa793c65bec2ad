"""The job of a pipeline that takes back what its actions did on tickets, as `tdx-dagster undo` does.

Belongs here: its config, which actions it takes, what its runs show. Does not: what is taken back and how
(`undo`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import dagster as dg

from tdx_dagster.dagster_internals import tag_run
from tdx_dagster.environment import SettingsError
from tdx_dagster.failures import NO_RUN_RETRIES, failure, failure_of
from tdx_dagster.state.decisions import Decisions, DoneAction, Person, Selection
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxError
from tdx_dagster.tickets.job import OWNER_TAG, resources_of_run
from tdx_dagster.tickets.launch import partitions_of
from tdx_dagster.tickets.markdown import table
from tdx_dagster.tickets.once.outcomes import Outcome
from tdx_dagster.tickets.pipeline import Pipeline, read_time
from tdx_dagster.tickets.run_in_dagster import tickets_of
from tdx_dagster.tickets.run_tags import person_of, tags_of_run
from tdx_dagster.tickets.runs import key_of
from tdx_dagster.tickets.services import RunServices
from tdx_dagster.tickets.site import Site, described, tags_of_site
from tdx_dagster.tickets.undo import TakingBack, is_open

OP = "undo"
# Keys of the metadata.
PLAN, TAKEN_BACK = "would be taken back", "taken back"
HEAD = ("ticket", "action", "outcome", "what, and why")

FIELDS = {
    "dry_run": dg.Field(
        bool,
        default_value=True,
        description="Show the plan and write nothing. Set it to false to take back what the plan shows.",
    ),
    "action": dg.Field(
        str, default_value="", description="Only what this action did; empty: every action."
    ),
    "since": dg.Field(
        str,
        default_value="",
        description="Only actions that have written since this time (2026-01-31T17:00:00Z); empty: ever.",
    ),
    "run": dg.Field(
        str, default_value="", description="Only actions that have written in this run; empty: any."
    ),
    "note": dg.Field(
        str,
        default_value="",
        description="Post this as a private entry on each ticket; empty: nothing.",
    ),
}


def undo_job(pipeline: Pipeline) -> str:
    """Name the job of a pipeline that takes back."""
    return f"{pipeline.name}_undo"


def undo_config(**given: bool | str) -> dict[str, Any]:
    """Give the run config of the job."""
    return {"ops": {OP: {"config": given}}}


def build_undo_job(pipeline: Pipeline, site: Site | None = None) -> dg.JobDefinition:
    """Make the job of a pipeline that takes back what its actions did on the tickets chosen."""

    @dg.op(
        name=f"{pipeline.name}__{OP}",
        description="Plans what is taken back on the tickets, and takes it back where the config says so.",
        out=dg.Out(dg.Nothing),
        config_schema=FIELDS,
        required_resource_keys=resources_of_run(pipeline),
    )
    def undo(context: dg.OpExecutionContext) -> Iterator[Any]:
        yield from UndoInDagster(context, pipeline).run()

    @dg.job(
        name=undo_job(pipeline),
        partitions_def=partitions_of(pipeline),
        executor_def=dg.in_process_executor,
        config=undo_config(dry_run=True),
        tags=NO_RUN_RETRIES | OWNER_TAG | tags_of_site(site),
        description=(
            f"Takes back what {pipeline.name} did on the tickets chosen: links of computers and fields that "
            "are still as it left them. Comments and tags stay. A run shows its plan unless its config has "
            f"`dry_run: false`; in observe mode it always does. {described(site)}"
        ),
    )
    def job() -> None:
        undo.alias(OP)()

    return job


@dataclass(frozen=True)
class UndoInDagster:
    """What the op of the job does.

    Args:
        context: The op's.
        pipeline: Whose actions are taken back.
    """

    context: dg.OpExecutionContext
    pipeline: Pipeline

    @cached_property
    def is_dry_run(self) -> bool:
        """Whether the config says so, or the pipeline's mode, which no config overrules."""
        return self.pipeline.observes or bool(self.context.op_config["dry_run"])

    @cached_property
    def services(self) -> RunServices:
        """What the run works with; in a dry run without any way to write."""
        given: RunServices = getattr(self.context.resources, self.pipeline.resource("tools"))
        return given.without_writes if self.is_dry_run else given

    def run(self) -> Iterator[dg.Output[None]]:
        """Take back or plan, and show on each ticket and on the run what came of it."""
        run, tickets = self.context.run, tickets_of(self.context)
        # No rehearsal: that tag is of dry runs whose table says what actions would do.
        tags = tags_of_run(run.tags, tickets, is_dry_run=False)
        tag_run(self.context.instance, run.run_id, tags)
        try:
            outcomes = list(self._outcomes(tickets))
        except (TdxError, StoreUnavailable, SettingsError) as error:
            raise failure_of(error) from None
        for ticket in tickets:
            self._show(ticket, [one for one in outcomes if one[0].ticket_id == ticket])
        metadata = self._table(outcomes)
        left = sorted({done.ticket_id for done, outcome in outcomes if is_open(outcome)})
        if left:
            said = ", ".join(map(str, left))
            raise failure(
                f"Not all could be {TAKEN_BACK}, on tickets {said}. The table says why; launch the run again "
                "once that has changed: what is taken back is not taken back twice.",
                metadata,
            )
        yield dg.Output(None, metadata=metadata)

    def _outcomes(self, tickets: Sequence[int]) -> Iterator[tuple[DoneAction, Outcome]]:
        config = self.context.op_config
        by = Person(person_of(self.context.run.tags), run_id=self.context.run_id)
        database = getattr(self.context.resources, self.pipeline.resource("database"))
        decisions = Decisions(database.engine())
        back = TakingBack(self.services, decisions, by, str(config["note"]))
        chosen = Selection(
            ticket_ids=tickets,
            run_id=config["run"] or None,
            name=config["action"] or None,
            since=self._since(),
            pipeline=self.pipeline.name,
        )
        for done in decisions.done(chosen):
            outcome = back.plan(done) if self.is_dry_run else back.run(done)
            self._log(done, outcome)
            yield done, outcome

    def _since(self) -> datetime | None:
        given = str(self.context.op_config["since"])
        try:
            return read_time("since", given) if given else None
        except ValueError as error:
            raise failure(f"{error}: nothing was done") from None

    def _log(self, done: DoneAction, outcome: Outcome) -> None:
        say = self.context.log.error if is_open(outcome) else self.context.log.info
        said = f"{outcome.result.value}: {outcome.message}"
        say(f"Ticket {done.ticket_id}: undo of {done.name}: {said}")

    def _show(self, ticket: int, outcomes: Sequence[tuple[DoneAction, Outcome]]) -> None:
        link = dg.MetadataValue.url(self.services.tdx.ticket_link(ticket))
        self.context.log_event(
            dg.AssetObservation(
                dg.AssetKey(list(self.pipeline.asset_key)),
                partition=key_of(ticket),
                metadata={"ticket": link, **self._table(outcomes)},
            )
        )

    def _table(self, outcomes: Sequence[tuple[DoneAction, Outcome]]) -> Mapping[str, Any]:
        rows = [
            (done.ticket_id, done.name, outcome.result.value, outcome.message)
            for done, outcome in sorted(outcomes, key=lambda one: not is_open(one[1]))
        ]
        said = table(HEAD, rows) if rows else "nothing"
        return {PLAN if self.is_dry_run else TAKEN_BACK: dg.MetadataValue.md(said)}
