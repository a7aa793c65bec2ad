"""From DATABASE_URL to a session: forms of the address, errors of ours, no password in any."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, make_url, text

from tdx_dagster.postgres import database as database_module
from tdx_dagster.postgres import server
from tdx_dagster.postgres.database import (
    connect,
    database_url,
    engine,
    ensure_database,
    libpq_url,
    normalise_url,
    shown_url,
)
from tdx_dagster.postgres.errors import DatabaseSettingError, DatabaseUnavailable


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_usual_form_of_address_becomes_one(scheme: str) -> None:
    """SQLAlchemy alone refuses the first and changed its mind about the second."""
    url = f" {scheme}://me:p%40ss@db.example.edu:5433/tdx?sslmode=require\n"
    expected = "postgresql+psycopg2://me:p%40ss@db.example.edu:5433/tdx?sslmode=require"
    assert normalise_url(url) == expected
    assert libpq_url(url) == expected.replace("+psycopg2", "")
    assert shown_url(url) == "me@db.example.edu:5433/tdx"


@given(st.text(min_size=1))
def test_f32_any_password_survives_normalising(password: str) -> None:
    """Generated passwords hold every mark there is."""
    url = make_url("postgresql://me@h/db").set(password=password)
    assert make_url(normalise_url(url.render_as_string(hide_password=False))).password == password


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me:secret@h/db", "begins with mysql://"),
        ("postgresql+asyncpg://me:secret@h/db", r"begins with postgresql\+asyncpg://"),
        ("me:secret@h", "not readable"),
        ("postgresql://me:secret@h:port/db", "not readable"),
        ("postgresql://me:se@cret@h/db", "not readable.*%40"),
        ("postgresql://me:se@cret/@h:1/db", "not readable"),
        ("postgresql://me:se@/cret@h/db", "not readable"),
        ("postgresql://me:se@c?ret@h/db", "not readable"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(url: str, said: str) -> None:
    """Such messages end up in chats and tickets."""
    with pytest.raises(DatabaseSettingError, match=said) as caught:
        normalise_url(url)
    assert "cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_sessions_keep_time_in_utc_whatever_the_database_says(database: Engine) -> None:
    """A year 1 date read in another zone is a year that Python cannot show (case E10)."""
    with database.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET timezone = 'America/Detroit'"))
    database.dispose()
    with database.connect() as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
        assert connection.execute(text("SHOW application_name")).scalar_one() == "tdx-dagster"


def test_settings_in_the_address_come_before_ours(database_url: str) -> None:
    """Whoever writes a search path or a name into it wants it."""
    made = engine(database_url + "?application_name=mine&options=-c%20search_path%3Dmeta")
    with made.connect() as connection:
        assert connection.execute(text("SHOW application_name")).scalar_one() == "mine"
        assert connection.execute(text("SHOW search_path")).scalar_one() == "meta"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"
    made.dispose()


def test_nobody_there_is_retryable_and_names_the_place() -> None:
    """A database that cannot be asked is never "nothing was done" (case E20)."""
    nobody = "postgresql://me:secret@127.0.0.1:1/tdx"
    for attempt in (lambda: connect(nobody), lambda: engine(nobody).connect()):
        with pytest.raises(
            DatabaseUnavailable, match=r"cannot be reached now.*127.0.0.1.*DATABASE_URL"
        ) as caught:
            attempt()
        assert "secret" not in str(caught.value)


def test_a_refused_sign_in_is_a_setting_fault(database_url: str) -> None:
    """Trying again would only lock the account."""
    wrong = make_url(database_url).set(password="wrong").render_as_string(hide_password=False)
    missing = make_url(database_url).set(database="nowhere").render_as_string(hide_password=False)
    for url in (wrong, missing):
        with pytest.raises(DatabaseSettingError, match="refuses DATABASE_URL"):
            engine(url).connect()


@pytest.mark.parametrize("ping_after", [0.0, 60.0])
def test_a_connection_that_died_in_the_pool_is_replaced_unseen(
    database: Engine, monkeypatch: pytest.MonkeyPatch, ping_after: float
) -> None:
    """A restarted server must not cost a failed run, whether it rested long or was used a moment ago."""
    monkeypatch.setattr(database_module, "PING_AFTER_SECONDS", ping_after)
    with database.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = engine(str(database.url.render_as_string(hide_password=False)))
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    other.dispose()
    with database.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_connection_cut_in_the_middle_is_unavailable(database: Engine) -> None:
    """The caller may try again, and must not take it for an answer."""
    with pytest.raises(DatabaseUnavailable), database.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))


def test_parameters_stay_out_of_error_texts(database: Engine) -> None:
    """They are people's names and words."""
    with (
        pytest.raises(Exception, match="division by zero") as caught,
        database.connect() as connection,
    ):
        connection.execute(text("SELECT 1 / (length(:word) - 6)"), {"word": "secret"})
    assert "secret" not in str(caught.value)


def test_a_database_is_made_once_by_several_at_once(database_url: str) -> None:
    """Dagster's storage and ours are asked for by many processes in the first second."""
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(lambda _: ensure_database(database_url, 'odd "name"'), range(4)))
    (url,) = urls
    connection = connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        assert cursor.fetchone() == ("UTF8",)
    connection.close()


def test_database_url_wins_over_the_embedded_server(tmp_path: Path) -> None:
    """Nothing is started or written where people bring their own server."""
    given_url = {"DATABASE_URL": " postgres://me@db.example.edu/tdx "}
    assert database_url(given_url, tmp_path / "pg") == "postgresql+psycopg2://me@db.example.edu/tdx"
    assert not (tmp_path / "pg").exists()


def test_without_database_url_the_embedded_server_serves(tmp_path: Path) -> None:
    """The first command on a fresh machine finds a database."""
    try:
        url = database_url({"DATABASE_URL": "  "}, tmp_path / "pg", name="tdx")
        assert make_url(url).database == "tdx"
        connect(url).close()
    finally:
        server.stop(tmp_path / "pg")
