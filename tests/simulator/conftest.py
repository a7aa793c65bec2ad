"""A small tenant behind real HTTP, and a client for it."""

from collections.abc import Iterator

import pytest

from tdx_dagster.simulator import Simulator, State, blank_state
from tests.simulator.client import Client

PERSON = "aaaaaaaa-0000-4000-8000-000000000001"


@pytest.fixture
def state() -> State:
    """Tickets 7001 to 7003, three assets of which 1002 is a retired twin of 1001, one person."""
    made = blank_state()
    made.add_person(
        UID=PERSON, UserName="zchem", FirstName="Zoe", LastName="Chem", FullName="Zoe Chem",
        PrimaryEmail="zchem@example.edu", ReferenceID=5001, TypeID=2,
    )  # fmt: skip
    for number, title in enumerate(("Laptop slow", "No network", "Printer"), 7001):
        made.add_ticket(
            ID=number, Title=title, RequestorUid=PERSON, CreatedUid=PERSON,
            CreatedDate="2026-11-01T10:00:00Z", ModifiedDate="2026-11-01T10:00:00Z",
        )  # fmt: skip
    for number, serial, status in ((1001, "7K2QX93", 38), (1002, "H4TJ8M2", 39)):
        made.add_asset(
            ID=number, Name="GEO-FIELD2", SerialNumber=serial, StatusID=status, FormID=2448
        )
    made.add_asset(
        ID=1003, Name=None, SerialNumber="5CG2381LQT", Tag="104233", StatusID=38, FormID=2448,
        OwningCustomerID=PERSON, AppID=48, ModifiedDate="2026-10-01T08:30:00.05Z",
    )  # fmt: skip
    return made


@pytest.fixture
def simulator(state: State) -> Iterator[Simulator]:
    """The small tenant, listening."""
    with Simulator(state) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Client:
    """A client signed in as the bot."""
    return Client(simulator)
