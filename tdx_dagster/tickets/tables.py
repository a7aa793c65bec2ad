"""The tables that look-ups read: anybody's, in the database of DATABASE_URL, and never written.

Belongs here: which tables and columns there are, and the values of one column by another. Does not: which value
a ticket gets (`actions.lookups`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine, Select, column, select, table
from sqlalchemy.sql import quoted_name

from tdx_dagster.postgres.queries import Queries

# A run reads a table whole and keeps it: people route by some hundred rows.
MOST_ROWS = 100_000

Columns = Mapping[str, Mapping[str, bool]]
"""Tables by `schema.table`; of each its columns, and whether this user may read them."""

Value = int | str
ByKey = Mapping[str, Sequence[Value]]
"""The values of each folded key, each once."""

Made = TypeVar("Made")


class TableTooLong(Exception):
    """A table has more rows than a run keeps."""


class Tables(Protocol):
    """What reads tables, one object for each run: each is read once."""

    def columns(self) -> Columns:
        """Give what there is to read."""

    def user(self) -> str:
        """Give the database user, for messages."""

    def values(self, name: str, key: str, wanted: str) -> ByKey:
        """Give the values of a column by those of another.

        Args:
            name: The table, `schema.table`.
            key: The column of the keys.
            wanted: The column of the values.

        Raises:
            TableTooLong: It has more rows than MOST_ROWS.
            DatabaseError: It cannot be read.
        """


class NoTables:
    """No database: there is no table."""

    def columns(self) -> Columns:
        """See `Tables.columns`."""
        return {}

    def user(self) -> str:
        """See `Tables.user`."""
        return ""

    def values(self, name: str, key: str, wanted: str) -> ByKey:
        """See `Tables.values`."""
        del name, key, wanted
        return {}


class PostgresTables:
    """Tables of one PostgreSQL database, remembered. Safe for threads.

    Args:
        engine: The database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._known: dict[tuple[str, ...], Any] = {}

    def columns(self) -> Columns:
        """See `Tables.columns`."""
        return self._once(("columns",), self._read_columns)

    def user(self) -> str:
        """See `Tables.user`."""
        return self._once(("user",), self._read_user)

    def values(self, name: str, key: str, wanted: str) -> ByKey:
        """See `Tables.values`."""
        return self._once((name, key, wanted), lambda: self._read_values(name, key, wanted))

    def _once(self, asked: tuple[str, ...], read: Callable[[], Made]) -> Made:
        with self._lock:
            if asked not in self._known:
                self._known[asked] = read()
            made: Made = self._known[asked]
            return made

    def _read_columns(self) -> Columns:
        found: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        with self._engine.connect() as connection:
            for row in connection.execute(_queries()["columns"]):
                found[f"{row.schema_name}.{row.table_name}"][row.column_name] = row.may_read
        return found

    def _read_user(self) -> str:
        with self._engine.connect() as connection:
            return str(connection.execute(_queries()["user_name"]).scalar_one())

    def _read_values(self, name: str, key: str, wanted: str) -> ByKey:
        schema, _, plain = name.partition(".")
        source = table(_exact(plain), schema=_exact(schema))
        # Two labels: the key may be the value as well.
        asked: Select[tuple[Any, Any]] = select(
            column(_exact(key)).label("looked_by"), column(_exact(wanted)).label("looked_up")
        ).select_from(source)
        with self._engine.connect() as connection:
            rows = connection.execute(asked.limit(MOST_ROWS + 1)).all()
        if len(rows) > MOST_ROWS:
            raise TableTooLong(f"{name} has more than {MOST_ROWS} rows")
        return by_folded_key((row.looked_by, row.looked_up) for row in rows)


def _exact(name: str) -> quoted_name:
    """Take a name letter by letter, as the database has it."""
    return quoted_name(name, quote=True)


@cache
def _queries() -> Queries:
    return Queries(Path(__file__).with_name("tables.sql"))


def by_folded_key(pairs: Iterable[tuple[Any, Any]]) -> ByKey:
    """Give the values of each key, each once; rows without key or value are none."""
    found: defaultdict[str, dict[str, Value]] = defaultdict(dict)
    for key, value in pairs:
        if (folded := fold(key)) and (read := fold(value)):
            found[folded].setdefault(read, _plain(value))
    return {key: tuple(values.values()) for key, values in found.items()}


def fold(value: object) -> str:
    """Give the form in which keys are compared: case does not count, nor do blanks but single ones within."""
    return "" if value is None else " ".join(str(value).split()).casefold()


def _plain(value: Any) -> Value:  # noqa: ANN401  any type of a column
    """Give an id as a number, everything else as text."""
    if isinstance(value, (float, Decimal)) and value == int(value):
        return int(value)
    text = " ".join(str(value).split())
    return int(text) if text.isdecimal() else text
