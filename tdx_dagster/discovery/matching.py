"""Which field of a record equals what was read in a text.

Belongs here: the comparison of one reading with one record. Does not: where records come from
(`discover`), and which of them count (`eligibility`).
"""

from collections.abc import Mapping
from dataclasses import replace

from tdx_dagster.discovery.identifiers import Candidate, Reading
from tdx_dagster.inventory.computers import Computer, Field, keys_of
from tdx_dagster.inventory.keys import fold_key, host_key


def matched_field(reading: Reading, name: str, serial: str, tag: str) -> Field | None:
    """Give the field of a record that equals a reading.

    A label names a field. Where the record has nothing in that field, its name may stand there.
    """
    keys = dict(keys_of(name, serial, tag))
    for field, key in keys.items():
        if field in reading.fields and key == reading.key:
            return field
    is_blank = all(field not in keys for field in reading.fields)
    has_letter = any(character.isalpha() for character in reading.key)
    if is_blank and has_letter and keys.get("name") == reading.key:
        return "name"
    return None


def is_short_name(reading: Reading, name: str) -> bool:
    """Tell whether a reading is the first label of a record that is stored as a full domain name."""
    return "name" in reading.fields and host_key(fold_key(name)) == reading.key


def records_of(
    candidate: Candidate, found: Mapping[str, tuple[Computer, ...]]
) -> tuple[Computer, ...]:
    """Give the records that the first reading known to the inventory names."""
    for reading in candidate.readings:
        records = found.get(reading.key, ())
        exact = [
            replace(record, matched_field=field)
            for record in records
            if (field := matched_field(reading, record.name, record.serial_number, record.tag))
        ]
        if exact:
            return tuple(exact)
        # The record has a full domain name and people say the short one: clear where there is only one.
        short = [record for record in records if is_short_name(reading, record.name)]
        if len(short) == 1 and "." not in candidate.token:
            return (replace(short[0], matched_field="name"),)
    return ()
