"""A small tenant: three computers, two people, three tickets."""

from typing import Any

from tdx_dagster.simulator import ACTIVE_STATUS_ID, COMPUTER_FORM_ID, blank_state

ANN = "aaaaaaaa-0000-4000-8000-000000000001"
BOB = "bbbbbbbb-0000-4000-8000-000000000002"


def small_tenant() -> Any:
    """Tickets 31 to 33: a name in the title, nothing but a requestor, and two serials."""
    state = blank_state()
    for uid, name in ((ANN, "Ann Onimo"), (BOB, "Bob Obob")):
        state.add_person(UID=uid, UserName=name.split()[0].lower(), FullName=name)
    for number, (name, serial, owner) in enumerate(
        (
            ("MAC-WARD04", "C02ZK4QLMD6T", ANN),
            ("PSYC-GID08", "7K2QX93", BOB),
            ("IC-LAB-1", "H4TJ8M2", BOB),
        ),
        start=1001,
    ):
        state.add_asset(
            ID=number,
            Name=name,
            SerialNumber=serial,
            FormID=COMPUTER_FORM_ID,
            StatusID=ACTIVE_STATUS_ID,
            StatusName="Active",
            OwningCustomerID=owner,
        )
    state.add_ticket(ID=31, Title="psyc-gid08 is slow", RequestorUid=ANN)
    state.add_ticket(ID=32, Title="Need help", RequestorUid=ANN)
    state.add_ticket(
        ID=33, Title="Two machines", Description="c02zk4qlmd6t and 7K2QX93", RequestorUid=BOB
    )
    return state
