"""People."""

from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client
from tests.simulator.conftest import PERSON


def test_a_person_is_found_by_uid_or_user_name(client: Client, simulator: Simulator) -> None:
    """Documented for the uid only; two clients pass a user name and it works."""
    assert client.get(f"/people/{PERSON.upper()}").json()["FullName"] == "Zoe Chem"
    assert client.get("/people/ZChem").json()["UID"] == PERSON
    simulator.options.user_names_as_uid = False
    assert client.get("/people/ZChem").status_code == 404
    assert client.get("/people/getuid/zchem").json() == PERSON


def test_a_lookup_leaves_the_user_name_blank(client: Client, simulator: Simulator) -> None:
    """Seen live: matching by user name fails then."""
    (person,) = client.get("/people/lookup?searchText=zoe&maxResults=0").json()
    assert (person["PrimaryEmail"], person["UserName"]) == ("zchem@example.edu", "")
    simulator.options.lookup_user_names = True
    assert client.get("/people/lookup?searchText=zoe").json()[0]["UserName"] == "zchem"


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"SearchText": "chem"}, ["Zoe Chem"]),
        ({"SearchText": "chem", "IsActive": False}, []),
        ({"UserName": "ZCHEM"}, ["Zoe Chem"]),
        ({"ReferenceIDs": [5001]}, ["Zoe Chem"]),
        ({"SearchText": "e", "MaxResults": 1}, ["Queue Bot"]),
        ({"AppName": "TDPeople"}, ["Queue Bot", "Admin Service"]),
    ],
)
def test_filters_narrow_a_search(client: Client, filters: Any, wanted: list[str]) -> None:
    """Results are partial: no applications, groups or attributes."""
    people = client.post("/people/search", filters).json()
    assert [person["FullName"] for person in people] == wanted
    assert all(person["Applications"] is None for person in people)


def test_inactive_people_are_found_unless_excluded(client: Client, simulator: Simulator) -> None:
    """One client asks twice for that reason."""
    simulator.state.people[PERSON]["IsActive"] = False
    assert len(client.post("/people/search", {"SearchText": "zoe"}).json()) == 1
    assert client.post("/people/search", {"SearchText": "zoe", "IsActive": True}).json() == []


def test_a_long_search_text_is_cut_or_refused(client: Client, simulator: Simulator) -> None:
    """The limit of 50 characters is documented, what happens beyond it is not."""
    simulator.state.people[PERSON]["FullName"] = "x" * 50
    assert len(client.post("/people/search", {"SearchText": "x" * 60}).json()) == 1
    simulator.options.long_people_search_refused = True
    assert client.post("/people/search", {"SearchText": "x" * 60}).status_code == 400


def test_people_can_be_denied_while_looking_up_is_not(client: Client, simulator: Simulator) -> None:
    """Reading people needs an application of its own."""
    simulator.options.people_application = False
    assert client.get(f"/people/{PERSON}").status_code == 403
    assert client.post("/people/search", {}).status_code == 403
    assert client.get("/people/lookup?searchText=zoe").status_code == 200


def test_the_user_list_is_for_the_key_account(client: Client, simulator: Simulator) -> None:
    """The bot may not have it, the account behind the web services key may."""
    assert client.get("/people/userlist").status_code == 403
    client.session.headers["Authorization"] = f"Bearer {simulator.token('admin.service')}"
    people = client.get("/people/userlist?isActive=true&userType=2").json()
    assert [person["FullName"] for person in people] == ["Zoe Chem"]
