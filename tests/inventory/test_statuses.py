"""Which asset statuses count as active: names through TDX's own list, ids where they are given."""

import pytest
from sqlalchemy import Engine

from tdx_dagster.discovery.discover import DiscoverySettings, Enquiry, discover
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.bronze import ingest_assets, ingest_statuses
from tdx_dagster.inventory.lookup import MemoryInventory, PostgresInventory
from tdx_dagster.inventory.silver import rebuild_computers
from tdx_dagster.inventory.statuses import ActiveStatuses, AssetStatus
from tdx_dagster.tdx.errors import TdxRefused
from tdx_dagster.tdx.models import Status
from tests.inventory.listed import Listed, asset
from tests.inventory.records import ScriptedSearch, ticket
from tests.inventory.records import asset as tdx_asset

LISTED = {
    38: AssetStatus("Active", is_active=True, is_out_of_service=False),
    39: AssetStatus("On Loan", is_active=True, is_out_of_service=False),
    40: AssetStatus("Retired", is_active=True, is_out_of_service=True),
    41: AssetStatus("Active", is_active=False, is_out_of_service=False),
}


@pytest.mark.parametrize(
    ("status_id", "on_record", "counts"),
    [
        (38, "Active", True),
        (38, "In Use", True),  # renamed since the record was read: the id tells
        (39, "Active", False),
        (40, "Active", False),
        (41, "Active", False),
        (99, " ACTIVE ", True),  # not in the list: what the record says
        (None, "active", True),
        (99, "", False),
    ],
)
def test_a_name_means_the_statuses_that_tdx_lists_under_it(
    status_id: int | None, on_record: str, counts: bool
) -> None:
    """And the name on the record where the list does not know its status, or is not known itself."""
    assert ActiveStatuses(listed=LISTED).counts(status_id, on_record) is counts


def test_without_the_list_the_name_on_the_record_decides() -> None:
    """Rule 9."""
    active = ActiveStatuses(names=("active", "On Loan"))
    assert active.counts(1, "on loan")
    assert not active.counts(38, "Retired")


def test_ids_win_over_names_and_over_the_list() -> None:
    """Whoever gives ids means these and no others."""
    active = ActiveStatuses(ids=(40,), listed=LISTED)
    assert active.counts(40, "Retired")
    assert not active.counts(38, "Active")


def test_a_name_that_tdx_does_not_list_is_doubted_with_the_nearest_one() -> None:
    """Also one whose status counts for nothing."""
    active = ActiveStatuses(names=("Actve", "On Loan", "Retired"), listed=LISTED)
    unknown, unused = active.warnings()
    assert "no asset status 'Actve'" in unknown
    assert "Did you mean 'Active'?" in unknown
    assert "'Retired' is switched off or out of service" in unused
    assert not list(ActiveStatuses(names=("Actve",)).warnings())
    by_id = ActiveStatuses(ids=(next(iter(LISTED)),), names=("Actve",), listed=LISTED)
    assert not list(by_id.warnings())


def test_database_and_api_decide_by_the_same_ids(database: Engine) -> None:
    """One machine is known, the other searched for; both are on loan, which was set to count."""
    statuses = [
        {"ID": 38, "Name": "Active", "IsActive": True, "IsOutOfService": False},
        {"ID": 39, "Name": "On Loan", "IsActive": True, "IsOutOfService": False},
    ]
    ingest_statuses(database, Listed(statuses=statuses))
    ingest_assets(database, Listed([asset(1, "LIB-PC-1", StatusID=39, StatusName="Was Loan")]))
    rebuild_computers(database)
    inventory = PostgresInventory(database)
    tdx = ScriptedSearch(tdx_asset(id=2, name="LIB-PC-2", status_id=39, status_name="Lent"))
    active = ActiveStatuses(names=("on loan",), listed=inventory.statuses())
    enquiry = Enquiry(ticket(title="lib-pc-1 and lib-pc-2"))
    found = discover(enquiry, inventory, tdx, DiscoverySettings(active=active))
    assert [match.computer.asset_id for match in found.matches] == [1, 2]
    default = discover(enquiry, inventory, tdx, DiscoverySettings())
    assert (default.matches, len(default.not_eligible)) == ((), 2)


def test_an_asset_that_is_gone_never_counts_whatever_its_status(database: Engine) -> None:
    """Where ids were given, only the read before attaching kept it out."""
    ingest_assets(database, Listed([asset(n, f"LIB-PC-{n}", StatusID=38) for n in (1, 2)]))
    ingest_assets(database, Listed([asset(2, "LIB-PC-2", StatusID=38)]))
    rebuild_computers(database)
    settings = DiscoverySettings(active=ActiveStatuses(ids=(38,)))
    enquiry = Enquiry(ticket(title="lib-pc-1"))
    found = discover(enquiry, PostgresInventory(database), None, settings)
    assert (found.matches, len(found.not_eligible)) == ((), 1)


class Asked:
    """A TDX whose list is asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self._error = error

    def __call__(self) -> list[Status]:
        self.times += 1
        if self._error:
            raise self._error
        return [Status(38, "Active", is_active=True)]


def test_tdx_is_asked_for_its_list_once_and_only_where_bronze_has_none() -> None:
    """One call a run, not one a ticket."""
    asked = Asked()
    inventory = RememberingInventory(MemoryInventory(()), asked)
    assert inventory.statuses() == inventory.statuses()
    assert (inventory.statuses()[38].name, asked.times) == ("Active", 1)
    RememberingInventory(MemoryInventory((), LISTED), asked).statuses()
    assert asked.times == 1


def test_a_list_that_cannot_be_read_leaves_the_names_on_records() -> None:
    """It stops nobody's ticket, and is not asked for again in this run."""
    asked = Asked(TdxRefused("no permission", status=403))
    inventory = RememberingInventory(MemoryInventory(()), asked)
    assert (inventory.statuses(), inventory.statuses(), asked.times) == ({}, {}, 1)
