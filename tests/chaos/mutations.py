"""The product without one of its protections, to show that the chaos suite would notice.

`make mutations` takes out each in turn and runs seeds until one fails. Nothing in the files of the product
is changed: the worker's own copy is patched.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tdx_dagster.state.records import Claim, EffectRecord, EffectState, StaleClaim
from tdx_dagster.tickets import undo
from tdx_dagster.tickets.actions import add_asset, comment, field_changes, last_word
from tdx_dagster.tickets.once import writer
from tdx_dagster.tickets.once.writer import LiveWriter
from tests.chaos.scenes import SCENES
from tests.chaos.schedule import draw

if TYPE_CHECKING:
    from tdx_dagster.tickets.services import RunServices
    from tests.chaos.world import Result, World

STEAL = text(
    """
    UPDATE meta.daemon_action_log
    SET status = 'in_progress', claim_token = gen_random_uuid(), run_id = :run_id,
        lease_until = clock_timestamp() + interval '5 minutes'
    WHERE ticket_id = :ticket_id AND action_id = :action_id
    RETURNING claim_token, attempts
    """
)


def _without_claim(tools: "RunServices", run_id: str) -> None:
    """Everybody gets the action, whoever has it or has done it."""
    store: Any = tools.store.real  # type: ignore[attr-defined]
    granted = store.claim

    def claim(ticket_id: int, identity: Any, **how: Any) -> Claim:
        made = granted(ticket_id, identity, **how)
        if made is not None:
            return made  # type: ignore[no-any-return]
        with store._engine.begin() as connection:
            values = {"ticket_id": ticket_id, "action_id": identity.action_id, "run_id": run_id}
            row = connection.execute(STEAL, values).one()
        return Claim(ticket_id, identity, str(row[0]), row[1], how["pipeline"], run_id)

    store.claim = claim


def _without_fence(tools: "RunServices", _: str) -> None:
    """Nobody asks whether the claim is still ours, neither at the intent nor right before the write."""
    store: Any = tools.store.real  # type: ignore[attr-defined]
    begin = store.begin_effect

    def begin_effect(claim: Claim, effect: str, detail: Any, **how: Any) -> EffectRecord:
        try:
            return begin(claim, effect, detail, **how)  # type: ignore[no-any-return]
        except StaleClaim:
            return EffectRecord(EffectState.BEGUN, 0, 0.0, detail)

    store.begin_effect = begin_effect
    writer._Fence.__call__ = lambda _: None  # type: ignore[method-assign]


def _without_intent(tools: "RunServices", _: str) -> None:
    """What is about to be written is not stored: only what was settled is known."""
    store: Any = tools.store.real  # type: ignore[attr-defined]

    def begin_effect(claim: Claim, effect: str, detail: Any, **how: Any) -> EffectRecord:
        store.renew(claim, lease_seconds=how["lease_seconds"])
        known = store.effects(claim.ticket_id).get(effect)
        if known and known.state is EffectState.DONE:
            return known  # type: ignore[no-any-return]
        return EffectRecord(EffectState.BEGUN, 0, 0.0, detail)

    def confirm_intent(claim: Claim, *_: Any, **how: Any) -> int:
        store.renew(claim, lease_seconds=how["lease_seconds"])
        return int(how["intent_event"])

    store.begin_effect, store.confirm_intent = begin_effect, confirm_intent


def _without_look(_: "RunServices", __: str) -> None:
    """What is not known to be there is taken for absent."""
    look = LiveWriter._look

    def blind(self: LiveWriter, effect: Any, record: EffectRecord) -> Any:
        old = replace(record, age_seconds=1e9)
        return look(self, replace(effect, look=effect.look and (lambda *_: None)), old)

    LiveWriter._look = blind  # type: ignore[method-assign]


def _without_outbox(tools: "RunServices", run_id: str) -> None:
    """The summary is made of what this run has done, and says so once and for all."""
    store: Any = tools.store.real  # type: ignore[attr-defined]
    results = store.results

    def of_this_run(ticket_id: int, pipeline: str) -> Any:
        mine = {
            row.action_id for row in store.get_ticket_actions(ticket_id) if row.run_id == run_id
        }
        return [result for result in results(ticket_id, pipeline) if result.action_id in mine]

    store.results = of_this_run


def _without_recovery(_: "RunServices", __: str) -> None:
    """An action judges the ticket before it has settled what its own earlier attempts have left open."""
    add_asset._recover = lambda *_: {}
    add_asset.attached_by_robot = lambda _: frozenset()  # type: ignore[assignment]


def _without_unfinished(tools: "RunServices", _: str) -> None:
    """A pass sees what the report shows and nothing else."""
    store: Any = tools.store.real  # type: ignore[attr-defined]
    store.unfinished = lambda *_, **__: ()


def _without_last_word_of_log(tools: "RunServices", _: str) -> None:
    """The last question before a write is about the claim alone, not about the effect."""
    store: Any = tools.store.real  # type: ignore[attr-defined]

    def confirm_intent(claim: Claim, *_: Any, **how: Any) -> int:
        store.renew(claim, lease_seconds=how["lease_seconds"])
        return int(how["intent_event"])

    store.confirm_intent = confirm_intent


def _without_removals(_: "RunServices", __: str) -> None:
    """Nobody asks whether a person has removed the computer."""
    last_word.Removals.of = lambda *_: None  # type: ignore[method-assign]


def _without_expected_value(_: "RunServices", __: str) -> None:
    """A status is set whatever the ticket's status is by now."""
    comment.expected_status = lambda *_: None


def _without_expected_fields(_: "RunServices", __: str) -> None:
    """A patch is sent whatever the ticket's fields are by now."""
    field_changes.Patch._moved = lambda *_: None  # type: ignore[method-assign]


def _without_look_at_earlier(_: "RunServices", __: str) -> None:
    """Nobody asks whether a person had set the field before the robot came."""
    field_changes.is_set_by_person = last_word.is_set_by_person = lambda *_: False


def _without_look_at_links(_: "RunServices", __: str) -> None:
    """Undo takes a link off whoever has made it."""
    undo.why_not_ours = lambda *_: None


def _without_look_at_fields(_: "RunServices", __: str) -> None:
    """Undo sets a field back whatever it is by now."""
    undo.why_changed = lambda *_: {}  # type: ignore[assignment]


MUTATIONS: dict[str, Callable[["RunServices", str], None]] = {
    "claim": _without_claim,
    "fence": _without_fence,
    "intent": _without_intent,
    "look before repeating": _without_look,
    "outbox": _without_outbox,
    "recovery": _without_recovery,
    "unfinished tickets": _without_unfinished,
    "last word of the log": _without_last_word_of_log,
    "removals": _without_removals,
    "expected value": _without_expected_value,
    "expected fields": _without_expected_fields,
    "what was set before": _without_look_at_earlier,
    "undo's look at links": _without_look_at_links,
    "undo's look at fields": _without_look_at_fields,
}


TRIES = 3

# Seeds that are known to tell, so that they come first.
TELLING = {
    "claim": (11,),
    "fence": (44, 37),
    "intent": (1,),
    "look before repeating": (15,),
    "outbox": (3,),
    "recovery": (22,),
}


def apply(name: str, tools: "RunServices", run_id: str) -> None:
    """Take a protection out of this process; none where the name is empty."""
    if name:
        MUTATIONS[name](tools, run_id)


def first_failure(world: "World", name: str) -> "Result | None":
    """Give the first scene or CI seed that fails without a protection.

    Each scene has a few tries: on a busy machine a call may take longer than its worker waits, and what is
    unclear then is left alone.
    """
    from tests.chaos.world import CI_SEEDS  # noqa: PLC0415  the worker imports this module

    seeds = (*TELLING.get(name, ()), *CI_SEEDS)
    scenes = TRIES * tuple(SCENES.get(name, ()))
    results = (world.play(one, name) for one in (*scenes, *map(draw, seeds)))
    return next((result for result in results if result.findings), None)
