"""The run config of a pipeline's runs: its fields, how they reach the ops, the refusal of what nothing reads.

Belongs here: names and defaults of settings as the launchpad shows them. Does not: what an op does with them
(`job`), the settings of the installation (`tdx_dagster.settings`).
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, get_args

import dagster as dg

from tdx_dagster.failures import failure
from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.pipeline import Pipeline

LOAD, RECORD = "load_tickets", "record"

SWITCHES = {
    "dry_run": dg.Field(
        bool,
        default_value=False,
        description=(
            "Read everything, write nothing: not TDX, not the action log, no materialisation. A run of a "
            "rehearsal job is a dry run whatever this says."
        ),
    ),
    "allow_uncertain": dg.Field(
        bool,
        default_value=False,
        description=(
            "Try again also what may have been written already. Look at the ticket first: where it is there, "
            "it is written a second time."
        ),
    ),
}


OVERRIDE = "override_removals_because"
FIELDS = SWITCHES | {
    OVERRIDE: dg.Field(
        str,
        default_value="",
        description=(
            "A reason allows computers that people have removed from these tickets to be attached again. "
            "It is recorded, and counts for removals before it."
        ),
    )
}


def asset_op(pipeline: Pipeline) -> str:
    """Give the key under `ops` that holds the settings of a run."""
    return f"tickets__{pipeline.name}"


def run_config(pipeline: Pipeline, *, dry_run: bool) -> dict[str, Any]:
    """Give the run config of a run."""
    return {"ops": {asset_op(pipeline): {"config": {"dry_run": dry_run}}}}


def settings_given(pipeline: Pipeline, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the settings of each action that a run config has, by action name."""
    block = (config.get("ops") or {}).get(asset_op(pipeline)) or {}
    given = block.get("config") or {}
    return {name: settings for name, settings in given.items() if name not in FIELDS}


def refuse_unread_ops(config: Mapping[str, Any], known: Collection[str]) -> None:
    """Fail the run where its config has an op that the run does not have.

    Dagster refuses a setting that no op reads, and in a run of a job also an op key. In a run of assets it
    leaves out the key in silence, so that a mistyped `dry_run` would be a run that writes.

    Args:
        config: The run config.
        known: The ops of the run.
    """
    for name in config.get("ops") or {}:
        if name in known:
            continue
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.0)
        raise failure(
            f"The run config has settings for ops: {name}, and nothing reads them: nothing was done. "
            f"The op is called {near[0] if near else 'otherwise'}; correct the key and launch again."
        )


def config_mapping(pipeline: Pipeline) -> dg.ConfigMapping:
    """Give the switches of the whole run, and a block of settings for each action."""
    fields: dict[str, dg.Field] = dict(FIELDS)
    for action in pipeline.actions:
        fields[action.label] = dg.Field(
            _settings_schema(action), description=f"Settings of {action.label} in this run."
        )

    def hand_out(config: Mapping[str, Any]) -> dict[str, Any]:
        switches = {name: config[name] for name in FIELDS}
        ops = [LOAD, RECORD, *(action.label for action in pipeline.actions)]
        return {name: {"config": switches | dict(config.get(name, {}))} for name in ops}

    return dg.ConfigMapping(config_schema=fields, config_fn=hand_out)


def op_schema(action: Action | None = None) -> dict[str, dg.Field]:
    """Give the fields of one op."""
    return FIELDS | (_settings_schema(action) if action else {})


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
