"""The calls of the public daemon that this project follows, in its own spelling.

It builds addresses with an empty application id, so that they have two slashes, and writes names in small
letters. People who move from it try their old script here first.
"""

from tdx_dagster.simulator import PASSWORD, USER_NAME, Simulator
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON


def test_every_call_of_the_old_daemon_is_answered(client: Client, simulator: Simulator) -> None:
    """One pass over a ticket, as it makes it."""
    signed_in = client.post("/auth", {"username": USER_NAME, "password": PASSWORD})
    client.session.headers["Authorization"] = f"Bearer {signed_in.text}"
    report = client.get("//reports/67890?withData=True&dataSortExpression=").json()
    ticket = client.get(f"/46/tickets/{report['DataRows'][0]['TicketID']}").json()
    assert client.get(f"//people/{ticket['RequestorUid']}").json()["UID"] == PERSON

    active = {"StatusIDs": [38], "FormIDs": [2448]}
    by_name = client.post("/48/assets/search", {"SearchText": "geo-field2"} | active).json()
    by_serial = client.post("/48/assets/search", {"SerialLike": "5CG2381LQT"} | active).json()
    assert [asset["ID"] for asset in by_name + by_serial] == [1001, 1003]
    item = client.get("/48/assets/1001").json()["ConfigurationItemID"]

    assert client.post("/46/tickets/7001/assets/1001", {}).status_code == 200
    assert client.post("/48//assets/1003/tickets/7001", {}).status_code == 200
    found = client.post("/46/tickets/search", {"ConfigurationItemIDs": [item]}).json()
    assert [each["ID"] for each in found] == [7001]
    assert len(client.get("/46/tickets/7001/assets").json()) == 2

    comment = {
        "Comments": "Done", "IsPrivate": True, "IsRichHTML": False, "Notify": ["null"],
        "NewStatusID": 0, "CascadeStatus": False, "IsCommunication": False,
    }  # fmt: skip
    entry = client.post("/46/tickets/7001/feed", comment).json()
    assert client.get(f"//feed/{entry['ID']}").json()["Body"] == "Done"
    assert client.post(f"/46/tickets/7001/contacts/{PERSON}").status_code == 200
    assert client.post("//people/search", {"UserName": "zchem", "isActive": True}).json()
    assert simulator.state.mails == []
