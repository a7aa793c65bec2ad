"""Assets and configuration items."""

from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON

ASSET = "/48/assets/1003"
SEARCH = "/48/assets/search"
ACTIVE, RETIRED = 38, 39
NOTE = 18374


def test_unset_fields_of_an_asset(client: Client) -> None:
    """Must-have 10: year 1, zero GUID, `None`, null and empty, as in the public sample."""
    asset = client.get("/48/assets/1001").json()
    names = (
        "AcquisitionDate",
        "OwningCustomerID",
        "OwningCustomerName",
        "ParentName",
        "ParentTag",
        "Tag",
    )
    assert [asset[name] for name in names] == [
        "0001-01-01T05:00:00Z", "00000000-0000-0000-0000-000000000000", "None", "", None, None,
    ]  # fmt: skip
    assert (asset["StatusName"], asset["FormName"], asset["Uri"]) == (
        "Active", "Computer Form", "api/48/assets/1001",
    )  # fmt: skip


def test_a_search_without_filters_sends_everything_but_only_in_part(client: Client) -> None:
    """Must-have 7: all statuses, no cap, no attributes."""
    assets = client.post(SEARCH, {}).json()
    assert [asset["ID"] for asset in assets] == [1001, 1002, 1003]
    assert {asset["Attributes"] for asset in assets} == {None}
    assert len(client.post(SEARCH, {"MaxResults": 1}).json()) == 1


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"SerialLike": "g2381"}, [1003]),
        ({"SerialLike": "04233"}, [1003]),
        ({"SerialLike": "GEO-FIELD2"}, []),
        ({"SearchText": "geo-field"}, [1001, 1002]),
        ({"SearchText": "geo-field", "SerialLike": "H4T"}, [1002]),
        ({"SearchText": "latitude"}, [1002]),
        ({"SearchText": ""}, [1001, 1002, 1003]),
        ({"StatusIDs": [ACTIVE]}, [1001, 1003]),
        ({"StatusIDsPast": [ACTIVE]}, [1001, 1003]),
        ({"IsInService": False}, [1002]),
        ({"FormIDs": [2448], "StatusIDs": [ACTIVE]}, [1001, 1003]),
        ({"FormIDs": [2450]}, []),
        ({"OwningCustomerIDs": [PERSON]}, [1003]),
        ({"OwningCustomerIDs": ["00000000-0000-0000-0000-000000000000"]}, []),
        ({"ModifiedDateFrom": "2026-09-30T00:00:00Z"}, [1003]),
        ({"AcquisitionDateFrom": "0001-01-01T00:00:00"}, [1001, 1002, 1003]),
        ({"PurchaseCostFrom": 0, "RoomID": 0}, [1001, 1002, 1003]),
        ({"ParentIDs": [1001]}, [1002]),
        ({"OnlyParentAssets": True}, [1001]),
        ({"TicketIDs": [7001]}, [1003]),
        ({"ExcludeTicketIDs": [7001]}, [1001, 1002]),
        ({"UsingCustomerIDs": [PERSON]}, [1001]),
        ({"CustomAttributes": [{"ID": NOTE, "Value": "seen"}]}, [1001]),
        ({"ContractIDs": [5]}, []),
        ({"ExternalIDs": ["x-1"]}, [1002]),
    ],
)
def test_filters_narrow_a_search(
    client: Client, simulator: Simulator, filters: Any, wanted: list[int]
) -> None:
    """Case A32: searches by text are LIKE searches, over the fields that the reference names."""
    assets = simulator.state.assets
    assets[1001] |= {"UsingCustomerIDs": [PERSON], "Attributes": {NOTE: "seen"}}
    assets[1002] |= {"ProductModelID": 601, "ParentID": 1001, "ExternalID": "x-1"}
    client.post("/46/tickets/7001/assets/1003")
    assert sorted(asset["ID"] for asset in client.post(SEARCH, filters).json()) == wanted


def test_unowned_assets_match_the_zero_guid(client: Client, simulator: Simulator) -> None:
    """Case A38: an owner search for nobody finds everything that has no owner."""
    simulator.state.assets[1002]["OwningCustomerID"] = "00000000-0000-0000-0000-000000000000"
    found = client.post(SEARCH, {"OwningCustomerIDs": ["00000000-0000-0000-0000-000000000000"]})
    assert [asset["ID"] for asset in found.json()] == [1002]


def test_the_best_match_comes_first(client: Client, simulator: Simulator) -> None:
    """A text search is sorted by relevance; a lone or a first hit is still no proof."""
    simulator.state.add_asset(Name="X", SerialNumber="G1", StatusID=ACTIVE, FormID=2448)
    simulator.state.add_asset(Name="G1-LONG", StatusID=ACTIVE, FormID=2448)
    simulator.state.add_asset(Name="G1", StatusID=ACTIVE, FormID=2448)
    names = [asset["Name"] for asset in client.post(SEARCH, {"SearchText": "g1"}).json()]
    assert names == ["X", "G1", "G1-LONG"]


def test_statuses_and_forms(client: Client, simulator: Simulator) -> None:
    """Inactive statuses seem to be listed; nobody has proved it."""
    names = [row["Name"] for row in client.get("/48/assets/statuses").json()]
    assert names == ["Active", "Retired", "In Storage", "Lost", "Ordered"]
    simulator.options.inactive_asset_statuses_listed = False
    assert "Ordered" not in [row["Name"] for row in client.get("/48/assets/statuses").json()]
    (form,) = [row for row in client.get("/48/assets/forms").json() if row["ID"] == 2448]
    assert (form["Name"], form["AssetsCount"]) == ("Computer Form", -1)


@pytest.mark.parametrize("status", [201, 200])
def test_an_asset_is_created(client: Client, simulator: Simulator, status: int) -> None:
    """Documented and stubbed with different statuses."""
    simulator.options.asset_create_status = status
    answer = client.post("/48/assets", {"Name": "LAB-1", "StatusID": ACTIVE, "FormID": 0})
    asset = answer.json()
    assert (answer.status_code, asset["FormID"], asset["AppName"]) == (status, 2448, "Assets")
    assert (
        client.get(f"/48/cmdb/{asset['ConfigurationItemID']}").json()["BackingItemID"]
        == asset["ID"]
    )


@pytest.mark.parametrize(
    "body",
    [
        {"StatusID": ACTIVE},
        {"Name": "x"},
        {"Name": "x", "StatusID": 101},
        {"SerialNumber": "x" * 101, "StatusID": ACTIVE},
    ],
)
def test_an_incomplete_asset_answers_400(client: Client, body: Any) -> None:
    """The first of these with a message seen in public."""
    answer = client.post("/48/assets", body)
    assert answer.status_code == 400
    if "Name" not in body and "SerialNumber" not in body:
        assert (
            answer.json()["Message"] == "Name or serial number must be provided for asset records"
        )


def test_an_edit_clears_what_is_not_sent_and_a_patch_does_not(client: Client) -> None:
    """All or nothing, against one field; -1 clears a location."""
    patched = client.call(
        "PATCH", ASSET,
        json=[{"op": "replace", "path": "/LocationID", "value": 301},
              {"op": "add", "path": f"/Attributes/{NOTE}", "value": "seen"}],
    ).json()  # fmt: skip
    assert (patched["LocationName"], patched["Tag"]) == ("Old Hall", "104233")
    cleared = client.call("PATCH", ASSET, json=[{"op": "add", "path": "/LocationID", "value": -1}])
    assert cleared.json()["LocationName"] == "None"
    edited = client.post(ASSET, {"SerialNumber": "5CG2381LQT", "StatusID": RETIRED}).json()
    assert (edited["Tag"], edited["Attributes"], edited["StatusName"]) == (None, [], "Retired")
    found = client.post(SEARCH, {"StatusIDsPast": [ACTIVE], "StatusIDs": [RETIRED]}).json()
    assert [asset["ID"] for asset in found] == [1003]


def test_users_of_an_asset(client: Client) -> None:
    """Users are resources, not the owner."""
    assert client.post(f"{ASSET}/users/{PERSON}").json()["Name"] == "Zoe Chem"
    assert [user["Value"] for user in client.get(f"{ASSET}/users").json()] == [PERSON]
    assert [client.call("DELETE", f"{ASSET}/users/{PERSON}").status_code for _ in range(2)] == [
        200,
        404,
    ]


def test_a_deleted_asset_leaves_its_tickets(client: Client, simulator: Simulator) -> None:
    """Irreversible; a link to it must not linger."""
    client.post("/46/tickets/7001/assets/1003")
    assert client.call("DELETE", ASSET).status_code == 200
    assert client.get(ASSET).status_code == 404
    assert client.get("/46/tickets/7001/assets").json() == []
    assert simulator.state.asset_ids_of(7001) == []


def test_configuration_items_are_searched_without_a_cap(
    client: Client, simulator: Simulator
) -> None:
    """They come for assets and for themselves; only the kind behind them shows which."""
    simulator.state.items[555] = {
        "ID": 555, "AppID": 48, "Name": "Core switch", "BackingItemID": 555, "BackingItemType": 63,
        "IsActive": True, "TypeID": 13,
    }  # fmt: skip
    items = client.post("/48/cmdb/search", {}).json()
    assert [item["BackingItemType"] for item in items] == [27, 27, 27, 63]
    assert [i["ID"] for i in client.post("/48/cmdb/search", {"NameLike": "switch"}).json()] == [555]
    client.post("/46/tickets/7001/configurationItems/555")
    assert [item["Name"] for item in client.get("/46/tickets/7001/assets").json()] == [
        "Core switch"
    ]
    assert [ticket["ID"] for ticket in client.get("/48/cmdb/555/tickets").json()] == [7001]
    assert simulator.state.asset_ids_of(7001) == []
