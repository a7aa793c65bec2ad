"""Links between tickets and assets."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tdx_dagster.simulator import Simulator
from tests.simulator.client import Client

LINKED = "/46/tickets/7001/assets"
LINK = f"{LINKED}/1001"


def test_a_second_link_answers_204_and_changes_nothing(
    client: Client, simulator: Simulator
) -> None:
    """Must-have 9: a repeat is silent, so a client may repeat it safely."""
    first, second = client.post(LINK, {}), client.post(LINK)
    assert (first.status_code, first.json()) == (
        200, "Successfully added GEO-FIELD2 to ticket 7001.",
    )  # fmt: skip
    assert (second.status_code, second.content) == (204, b"")
    assert simulator.state.asset_ids_of(7001) == [1001]
    assert len(simulator.state.feed_of_ticket(7001)) == 1


def test_the_items_of_a_ticket_are_configuration_items(
    client: Client, simulator: Simulator
) -> None:
    """Case A14: the id is not the asset's; that is behind it, with the kind."""
    client.post(LINK)
    (item,) = client.get(LINKED).json()
    assert item["ID"] == simulator.state.assets[1001]["ConfigurationItemID"] != 1001
    assert (item["BackingItemID"], item["BackingItemType"]) == (1001, 27)
    assert "SerialNumber" not in item


def test_a_link_is_told_on_both_feeds(client: Client, simulator: Simulator) -> None:
    """Whoever reads feeds meets these lines, with a computer's name in them."""
    client.post(LINK)
    assert simulator.state.feed_of_ticket(7001)[0]["Body"] == (
        'Added the "GEO-FIELD2" asset to this incident.'
    )
    assert simulator.state.feed_of_asset(1001)[0]["Body"] == (
        'Added this asset to the "Laptop slow" incident (ID: 7001).'
    )


def test_a_link_can_be_taken_away_once(client: Client, simulator: Simulator) -> None:
    """The second time there is nothing to take away; no source says what then."""
    client.post(LINK)
    assert client.call("DELETE", LINK).status_code == 200
    assert simulator.state.asset_ids_of(7001) == []
    assert client.call("DELETE", LINK).status_code == 404
    simulator.options.unlink_missing_status = 200
    assert client.call("DELETE", LINK).status_code == 200


@pytest.mark.parametrize("path", ["/48/assets/1001/tickets/7001", "/48/cmdb/{ci}/tickets/7001"])
def test_a_link_can_be_made_from_the_other_side(
    client: Client, simulator: Simulator, path: str
) -> None:
    """Three paths, one link: repeating it on another path is a repeat."""
    item = simulator.state.assets[1001]["ConfigurationItemID"]
    assert client.post(path.format(ci=item)).status_code == 200
    assert client.post(LINK).status_code == 204
    assert client.post(f"/46/tickets/7001/configurationItems/{item}").status_code == 204


@pytest.mark.parametrize("status", [400, 404])
def test_linking_an_unknown_asset_is_refused_as_configured(
    client: Client, simulator: Simulator, status: int | None
) -> None:
    """No source says which, so both can be had."""
    simulator.options.unknown_link_target_status = status
    assert client.post(f"{LINKED}/4711").status_code == status


@pytest.mark.parametrize(("kind", "body"), [("empty", b""), ("text", b"Successfully added")])
def test_the_answer_to_a_link_can_be_unreadable(
    client: Client, simulator: Simulator, kind: Any, body: Any
) -> None:
    """Case A13: some tenants seem to say nothing on success."""
    simulator.options.link_body = kind
    answer = client.post(LINK)
    assert answer.status_code == 200
    assert answer.content.startswith(body)


def test_a_repeated_link_can_be_answered_otherwise(client: Client, simulator: Simulator) -> None:
    """The 204 was seen at one tenant; another version may say 200."""
    simulator.options.repeated_link_status = 200
    assert [client.post(LINK).status_code for _ in range(2)] == [200, 200]
    assert simulator.state.asset_ids_of(7001) == [1001]


def test_many_at_once_make_one_link(client: Client, simulator: Simulator) -> None:
    """Robots race; the simulator must not be what makes them look right or wrong."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.call("POST", LINK).status_code, range(24)))
    assert sorted(answers) == [200] + [204] * 23
    assert len(simulator.state.feed_of_ticket(7001)) == 1
