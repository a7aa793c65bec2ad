"""Named queries: what a file may hold, and what is refused before it reaches a server."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tdx_dagster.postgres.queries import Queries

GOOD = """-- Queries of a test.

-- name: sum_of_two
-- Adds two numbers.
SELECT CAST(:one AS integer) + :other -- a remark

-- name: quoted
-- Colons in texts and casts are no parameters.
SELECT 'at 10:30'::text;
"""


def load(tmp_path: Path, content: str) -> Queries:
    path = tmp_path / "queries.sql"
    path.write_text(content, encoding="utf-8")
    return Queries(path)


def test_queries_are_called_by_name(tmp_path: Path, database: Engine) -> None:
    """SQL stays in SQL files, where editors and reviewers expect it."""
    queries = load(tmp_path, GOOD)
    assert list(queries) == ["sum_of_two", "quoted"]
    with database.connect() as connection:
        assert connection.execute(queries["sum_of_two"], {"one": 1, "other": 2}).scalar_one() == 3
        assert connection.execute(queries["quoted"]).scalar_one() == "at 10:30"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("SELECT 1;\n-- name: a\n-- Purpose.\nSELECT 1", "before the first"),
        ("-- name: a\nSELECT 1", "purpose"),
        ("-- name: a\n-- Purpose alone.\n", "then a statement"),
        ("-- name: Bad-Name\n-- Purpose.\nSELECT 1", "lower-case"),
        ("-- name: a\n-- Purpose.\nSELECT 1\n-- name: a\n-- Purpose.\nSELECT 2", "unique"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_place(
    tmp_path: Path, content: str, said: str
) -> None:
    """At import, not when the query is first needed."""
    with pytest.raises(ValueError, match=rf"queries.sql.*{said}"):
        load(tmp_path, content)


def test_a_cast_glued_to_a_parameter_is_refused(tmp_path: Path) -> None:
    """It would reach the server as it stands, as a syntax error (case E09)."""
    with pytest.raises(
        ValueError, match=r"query 'a': write CAST\(:name AS type\) instead of ':ids::'"
    ):
        load(tmp_path, "-- name: a\n-- Purpose.\nSELECT :ids::int[]")
