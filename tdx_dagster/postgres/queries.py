"""Read named queries from `.sql` files.

Belongs here: reading such a file. Does not: any query; each file lies next to the module that calls it.
A query begins with `-- name: some_name`, then one comment line that says what it is for.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import TextClause, text

HEADING = re.compile(r"^-- name: *(.*?)\s*$", re.MULTILINE)
NAME = re.compile(r"[a-z][a-z0-9_]*")

# `:ids::int[]` is no parameter to SQLAlchemy and reaches the server as it stands (case E09).
GLUED_CAST = re.compile(r"(?<![:\w]):\w+::")


class Queries(Mapping[str, TextClause]):
    """Hold the queries of one file by name."""

    def __init__(self, path: Path) -> None:
        """Read and check a file.

        Raises:
            ValueError: The file breaks a rule; the text names the file, the query and the rule.
        """
        self._texts: dict[str, TextClause] = {}
        content = path.read_text(encoding="utf-8")
        before, *parts = HEADING.split(content)
        if before.replace("-", "").strip() and not before.lstrip().startswith("--"):
            raise ValueError(f"{path.name}: a statement stands before the first `-- name:`")
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            self._add(path, name, body.strip())

    def _add(self, path: Path, name: str, body: str) -> None:
        where = f"{path.name}, query {name!r}"
        if not NAME.fullmatch(name) or name in self._texts:
            raise ValueError(f"{where}: names are unique, of lower-case letters, digits and _")
        purpose, _, statement = body.partition("\n")
        if not purpose.startswith("-- ") or not statement.strip():
            raise ValueError(f"{where}: needs one comment line with its purpose, then a statement")
        if found := GLUED_CAST.search(statement):
            raise ValueError(f"{where}: write CAST(:name AS type) instead of {found[0]!r}")
        self._texts[name] = text(statement)

    def __getitem__(self, name: str) -> TextClause:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)
