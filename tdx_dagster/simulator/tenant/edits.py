"""Edits, creations and JSON Patches: from a body to the values a record is to have.

An edit clears what is not sent; a patch changes only what it names. The calls check and store the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tdx_dagster.simulator.messages import Refusal
from tdx_dagster.simulator.tenant import shapes
from tdx_dagster.simulator.tenant.constants import Value
from tdx_dagster.simulator.tenant.model import Record, State
from tdx_dagster.simulator.tenant.shapes import Field, UnreadableInputError
from tdx_dagster.simulator.tenant.tenant import Call

_OPERATIONS = ("add", "remove", "replace", "copy", "move")
_LONGEST_PATCH = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values that a record is to have.

    Args:
        fields: Value by field name, of every field that people may set.
        attributes: Value of each custom attribute that is to have one.
    """

    fields: Record
    attributes: dict[int, str]


def settable(shape: str, *, creating: bool = False) -> dict[str, Field]:
    """Return the fields that clients may set.

    Args:
        shape: Type of the record.
        creating: Whether it is being created.
    """
    return {
        field.name: field
        for field in shapes.fields(shape)
        if not field.read_only and (creating or not field.on_create) and not field.is_list
    }


def replacement(state: State, shape: str, call: Call, *, creating: bool = False) -> Wanted:
    """Read the values of an edit or a creation.

    Args:
        state: Where the custom attributes are defined.
        shape: Type of the record.
        call: The call, whose body is such a record.
        creating: Whether it is being created.

    Returns:
        The sent values; those not sent have their unset values.

    Raises:
        Refusal: 400 where the body cannot be read.
    """
    body = call.incoming.json()
    given = call.read(shape)
    fields = {name: given[name] for name in settable(shape, creating=creating)}
    return Wanted(fields, _attributes(state, body if isinstance(body, dict) else {}))


def _attributes(state: State, body: Mapping[str, Value]) -> dict[int, str]:
    listed = next((value for name, value in body.items() if name.lower() == "attributes"), None)
    values = {}
    for given in listed if isinstance(listed, list) else ():
        try:
            attribute = shapes.read("AttributeValue", given)
        except UnreadableInputError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        if attribute["ID"] in state.attributes and attribute["Value"]:
            values[attribute["ID"]] = attribute["Value"]
    return values


def patched(state: State, shape: str, record: Record, call: Call) -> Wanted:
    """Apply a JSON Patch to a record's values.

    Args:
        state: Where the custom attributes are defined.
        shape: Type of the record.
        record: The record, which stays as it is.
        call: The call, whose body is a list of operations.

    Returns:
        The values after all operations.

    Raises:
        Refusal: 400 for an operation that is unknown, unsupported or cannot be done.
    """
    body = call.incoming.json()
    if not isinstance(body, list) or not body or len(body) > _LONGEST_PATCH:
        raise Refusal(HTTPStatus.BAD_REQUEST, "A list of patch operations is expected.")
    patch = _Patch(state, shape, record)
    for operation in body:
        patch.apply(operation)
    return Wanted(patch.fields, patch.attributes)


class _Patch:
    """A record's settable values while operations are applied to them."""

    def __init__(self, state: State, shape: str, record: Record) -> None:
        self._known = state.attributes
        self._settable = settable(shape)
        self._all = {field.name.lower(): field for field in shapes.fields(shape)}
        self._record = record
        self.fields: Record = {
            name: record.get(name, field.unset) for name, field in self._settable.items()
        }
        self.attributes: dict[int, str] = dict(record.get("Attributes", {}))

    def apply(self, operation: Value) -> None:
        given = _operation(operation)
        if given["op"] not in _OPERATIONS:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"Operation {given['op']!r} is not supported.")
        if given["op"] in ("copy", "move"):
            value = self._read(given["from"])
        else:
            value = None if given["op"] == "remove" else given["value"]
        self._write(given["path"], value)
        if given["op"] == "move" and given["from"].lower() != given["path"].lower():
            self._write(given["from"], None)

    def _read(self, path: str) -> Value:
        place = self._place(path)
        if isinstance(place, int):
            return self.attributes.get(place)
        return self.fields.get(place.name, self._record.get(place.name, place.unset))

    def _write(self, path: str, value: Value) -> None:
        place = self._place(path)
        if isinstance(place, int):
            self._write_attribute(place, value)
        elif place.name in self._settable:
            # A field that clients cannot set is ignored, as it is in an edit.
            self.fields[place.name] = _fitted(place, value)

    def _write_attribute(self, number: int, value: Value) -> None:
        text = _fitted(_ATTRIBUTE_VALUE, value)
        if text:
            self.attributes[number] = text
        else:
            self.attributes.pop(number, None)

    def _place(self, path: str) -> Field | int:
        """Find the field or attribute that a path names; no other collection can be patched."""
        parts = path.strip("/").split("/")
        if parts[0].lower() == "attributes" and len(parts) == 2:  # noqa: PLR2004  name and id
            if parts[1].isdecimal() and int(parts[1][:10]) in self._known:
                return int(parts[1][:10])
            raise Refusal(HTTPStatus.BAD_REQUEST, f"There is no attribute {parts[1]!r}.")
        field = self._all.get(parts[0].lower())
        if field is None or field.is_list or len(parts) > 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"The path {path!r} cannot be patched.")
        return field


_ATTRIBUTE_VALUE = next(field for field in shapes.fields("AttributeValue") if field.name == "Value")


def _fitted(field: Field, value: Value) -> Value:
    try:
        return shapes.read_field(field, value)
    except UnreadableInputError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error


def _operation(operation: Value) -> Record:
    """Read one operation of a patch; its members' names match in any case."""
    if not isinstance(operation, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, "A patch operation is an object.")
    given = {str(name).lower(): value for name, value in operation.items()}
    read = {name: given.get(name, "") for name in ("op", "path", "from")}
    if not all(isinstance(text, str) for text in read.values()):
        raise Refusal(HTTPStatus.BAD_REQUEST, "op, path and from are texts.")
    return read | {"op": read["op"].lower(), "value": given.get("value")}
