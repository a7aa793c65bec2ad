"""What editors and `dg` show of a pipeline: the JSON schema of its actions, and the file of a new one.

Belongs here: schema and scaffolding. Does not: reading actions (`tickets.actions.registry`), which says what is
wrong with one.
"""

from typing import Any

import dagster as dg
import yaml
from pydantic import BaseModel, Field

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.registry import action_types

TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}
"""A value that Dagster fills in."""

DEFAULT_ACTIONS = ("add_asset", "summary_comment")


def actions_schema() -> dict[str, Any]:
    """Give the JSON schema of `actions`: what an entry may have follows from its `type`."""
    known = action_types()
    return {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {
                    "anyOf": [
                        {"enum": list(known)},
                        {"type": "string", "pattern": r"^\w+(\.\w+)+$"},
                    ],
                    "description": "A built-in action, or a class of one's own like my_module.MyAction.",
                }
            },
            # One fault is reported for each setting, where a union would only say that no member fits.
            "allOf": [_if_of(name, kind) for name, kind in known.items()],
        },
    }


def _if_of(name: str, kind: type[Action]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    settings = {
        setting: {"anyOf": [allowed, TEMPLATE]} for setting, allowed in schema["properties"].items()
    }
    about = (kind.__doc__ or name).strip().splitlines()[0]
    named = {"type": {"const": name, "description": about}}
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {**schema, "properties": {**named, **settings}, "description": about},
    }


def _inlined(part: Any, known: dict[str, Any]) -> Any:  # noqa: ANN401  JSON
    """Put what is referred to in its place: references lead from the root of a document, and this is a part."""
    if isinstance(part, list):
        return [_inlined(one, known) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        beside = {name: one for name, one in part.items() if name != "$ref"}
        return _inlined(known[part["$ref"].rpartition("/")[2]] | beside, known)
    return {name: _inlined(one, known) for name, one in part.items()}


def describe_actions(schema: dict[str, Any]) -> None:
    """Put the schema of actions in the place of Dagster's, which takes a text as well and names no setting."""
    schema.pop("anyOf", None)
    schema.update(actions_schema())


class ScaffoldOptions(BaseModel):
    """What `dg scaffold defs tdx_dagster.TicketPipeline` takes."""

    report_id: int | None = Field(None, ge=1)
    action: list[str] = Field(default_factory=list)


class PipelineScaffolder(dg.Scaffolder[ScaffoldOptions]):
    """Writes a pipeline that loads as it is."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldOptions]:
        """Give the options."""
        return ScaffoldOptions

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldOptions]) -> None:
        """Write `defs.yaml`."""
        report = request.params.report_id
        actions = request.params.action or DEFAULT_ACTIONS
        attributes = {
            **({"report_id": report} if report else {}),
            "actions": [new_entry(name) for name in actions],
        }
        content = yaml.safe_dump(
            {"type": request.type_name, "attributes": attributes}, sort_keys=False
        )
        (request.target_path / "defs.yaml").write_text(content, encoding="utf-8")


def new_entry(name: str) -> dict[str, Any]:
    """Give the entry of an action with the settings it requires."""
    needed = {"comment": {"comment_text": "We are looking into it."}}
    return {"type": name, **needed.get(name, {}), "version": "v1"}
