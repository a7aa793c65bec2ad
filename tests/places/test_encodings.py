"""Databases and clients whose encoding is not UTF-8 (case F07)."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, make_url, text

from tdx_dagster.postgres.database import connect, engine
from tdx_dagster.postgres.errors import DatabaseError, DatabaseSettingError, UnstorableText
from tdx_dagster.postgres.migrations import migrate, pending

from .conftest import run_sql

FACE = "\N{ROBOT FACE} Grüße"


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
@pytest.mark.parametrize("use", [migrate, pending, connect, lambda url: engine(url).connect()])
def test_another_encoding_of_the_database_is_refused_by_name(
    bare_url: str, encoding: str, use: Callable[[str], object]
) -> None:
    """The default summary cannot be stored there, and its row stayed in progress for ever."""
    name = f"other_{encoding.lower()}"
    run_sql(
        bare_url,
        f"DROP DATABASE IF EXISTS {name}",
        f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0",
    )
    url = make_url(bare_url).set(database=name).render_as_string(hide_password=False)
    with pytest.raises(DatabaseSettingError, match=rf"{name}.*{encoding}.*UTF8.*DATABASE_URL"):
        use(url)
    run_sql(bare_url, f"DROP DATABASE {name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_the_encoding_of_the_shell_or_the_address_does_not_matter(
    database_url: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """PGCLIENTENCODING is set for other programs."""
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    made = engine(f"{database_url}?client_encoding={encoding}")
    with made.connect() as connection:
        assert connection.execute(text("SELECT :face"), {"face": FACE}).scalar_one() == FACE
    made.dispose()


@pytest.mark.parametrize("value", ["lone \ud800 surrogate", "\udcff"])
def test_a_text_the_driver_cannot_encode_is_an_error_of_ours(database: Engine, value: str) -> None:
    """The driver raises UnicodeEncodeError, which is no database error; its text repeats the value."""
    with pytest.raises(UnstorableText, match="UTF-8") as caught, database.connect() as connection:
        connection.execute(text("SELECT :value"), {"value": value})
    assert isinstance(caught.value, DatabaseError)
    assert "surrogate" not in str(caught.value)
    with database.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
