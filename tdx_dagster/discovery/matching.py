"""Which field of a record equals what was read in a text.

Belongs here: the comparison of one reading with one record. Does not: where records come from, and
which of them count (`discover`).
"""

from tdx_dagster.discovery.identifiers import Reading
from tdx_dagster.inventory.computers import Field, keys_of
from tdx_dagster.inventory.keys import fold_key, host_key


def matched_field(reading: Reading, name: str, serial: str, tag: str) -> Field | None:
    """Give the field of a record that equals a reading.

    A label names a field. Where the record has nothing in that field, its name may stand there.
    """
    keys = dict(keys_of(name, serial, tag))
    for field in ("name", "serial number", "tag"):
        if field in reading.fields and keys.get(field) == reading.key:
            return field
    is_blank = all(field not in keys for field in reading.fields)
    has_letter = any(character.isalpha() for character in reading.key)
    if is_blank and has_letter and keys.get("name") == reading.key:
        return "name"
    return None


def is_short_name(reading: Reading, name: str) -> bool:
    """Whether a reading is the first label of a record that is stored as a full domain name."""
    return "name" in reading.fields and host_key(fold_key(name)) == reading.key
