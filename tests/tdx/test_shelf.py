"""The token that processes share: sealed, good until it runs out, and never a reason to fail."""

from dataclasses import replace

from sqlalchemy import Engine

from tdx_dagster.postgres.database import engine
from tdx_dagster.simulator import (
    ASSET_APP_ID,
    BEID,
    TICKET_APP_ID,
    WEB_SERVICES_KEY,
    Simulator,
    blank_state,
)
from tdx_dagster.tdx.client import Connection, Tdx
from tdx_dagster.tdx.shelf import PostgresShelf
from tdx_dagster.tdx.sign_in import Credentials

URL = "https://tdx.example.edu/TDWebApi"
KEY = Credentials(beid=BEID, web_services_key=WEB_SERVICES_KEY)
SIGN_INS = "/auth/loginadmin"


def client(simulator: Simulator, database: Engine) -> Tdx:
    """A client as each process makes it."""
    connection = Connection(simulator.url, TICKET_APP_ID, ASSET_APP_ID, KEY)
    return Tdx.create(connection, shelf=PostgresShelf(database, simulator.url, KEY))


def test_processes_sign_in_once_between_them(database: Engine) -> None:
    """Each run is a process; its sign-in was a call and some 100 ms."""
    with Simulator(blank_state()) as simulator:
        for _ in range(3):
            client(simulator, database).ticket_statuses()
        assert simulator.calls.count("POST", SIGN_INS) == 1


def test_a_token_that_tdx_refuses_is_replaced_once_and_for_all_processes(database: Engine) -> None:
    """TDX forgets tokens when it restarts."""
    with Simulator(blank_state()) as simulator:
        first, second = client(simulator, database), client(simulator, database)
        first.ticket_statuses()
        second.ticket_statuses()
        simulator.tenant.expire_tokens()
        first.ticket_statuses()
        second.ticket_statuses()
        client(simulator, database).ticket_statuses()
        assert simulator.calls.count("POST", SIGN_INS) == 2


def test_the_database_does_not_tell_the_token_and_other_credentials_do_not_open_it(
    database: Engine,
) -> None:
    """A dump in the wrong hands is no way into TDX."""
    PostgresShelf(database, URL, KEY).put("head.body.tail", 3600)
    with database.connect() as connection:
        [row] = connection.exec_driver_sql("SELECT name, sealed FROM meta.shared_token").all()
    for secret in ("body", BEID, WEB_SERVICES_KEY):
        assert secret not in f"{row.name} {row.sealed}"
    assert PostgresShelf(database, URL, KEY).take() is not None
    assert PostgresShelf(database, URL, replace(KEY, web_services_key="other")).take() is None
    assert PostgresShelf(database, "https://other.example.edu", KEY).take() is None
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE meta.shared_token SET sealed = 'broken'")
    assert PostgresShelf(database, URL, KEY).take() is None


def test_a_token_that_ran_out_is_not_given(database: Engine) -> None:
    """In the database's time, which all share."""
    shelf = PostgresShelf(database, URL, KEY)
    shelf.put("head.body.tail", -1)
    assert shelf.take() is None
    shelf.put("new.body.tail", 100)
    taken = shelf.take()
    assert taken is not None
    assert taken[0] == "new.body.tail"
    assert 0 < taken[1] <= 100


def test_a_shelf_that_cannot_be_asked_is_an_empty_one() -> None:
    """It saves a call; it never costs a run."""
    shelf = PostgresShelf(engine("postgresql://nobody@127.0.0.1:1/nowhere"), URL, KEY)
    shelf.put("head.body.tail", 100)
    assert shelf.take() is None
