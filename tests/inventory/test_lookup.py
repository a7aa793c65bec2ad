"""The inventory in PostgreSQL and its twin in memory: the same questions, the same answers."""

import json
from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import Engine, create_engine, event, text

from tdx_dagster.discovery.identifiers import IdentifierSettings
from tdx_dagster.discovery.remembered import RememberingInventory
from tdx_dagster.inventory.computers import Computer, Inventory, InventoryUnavailable, keys_of
from tdx_dagster.inventory.lookup import QUERIES, MemoryInventory, PostgresInventory
from tdx_dagster.postgres.database import engine as make_engine
from tests.inventory.records import computer

OWNER = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"

COMPUTERS = [
    {"asset_id": 1, "name": "CHEM-A1", "serial_number": "7K2QX93", "tag": "104233"},
    {"asset_id": 2, "name": "CHEM-A1", "serial_number": "H4TJ8M2", "status_name": "Retired"},
    {"asset_id": 3, "name": "PRN-1", "serial_number": "PRN-1", "form_id": 99, "owner_uid": OWNER},
    {"asset_id": 4, "name": " geo-srv1 ", "serial_number": "N/A", "owner_uid": OWNER},
    {"asset_id": 5, "name": "OLD-1", "status_name": "Retired", "owner_uid": OWNER},
    {"asset_id": 6, "name": "", "serial_number": "7K2QX93", "tag": ""},
]

Make = Callable[[list[Computer]], Inventory]


def store(engine: Engine, computers: list[Computer]) -> None:
    """Put computers where the silver step puts them."""
    columns = "asset_id, name, serial_number, tag, status_id, status_name, is_active, form_id"
    columns += ", owner_uid, name_key, serial_key, tag_key"
    values = ", ".join(f":{column.strip()}" for column in columns.split(","))
    statement = text(f"INSERT INTO silver.tdx_computers ({columns}) VALUES ({values})")  # noqa: S608  our own names
    with engine.begin() as connection:
        for one in computers:
            keys = dict(keys_of(one.name, one.serial_number, one.tag))
            row = {c.strip(): getattr(one, c.strip(), None) for c in columns.split(",")}
            row |= {
                "name_key": keys.get("name"),
                "serial_key": keys.get("serial number"),
                "tag_key": keys.get("tag"),
            }
            connection.execute(statement, row)


@pytest.fixture(params=["postgres", "memory", "remembering"])
def make_inventory(request: pytest.FixtureRequest) -> Make:
    """Makes an inventory of each kind."""
    if request.param == "memory":
        return MemoryInventory
    database: Engine = request.getfixturevalue("database")

    def in_postgres(computers: list[Computer]) -> Inventory:
        store(database, computers)
        inventory = PostgresInventory(database)
        return inventory if request.param == "postgres" else RememberingInventory(inventory)

    return in_postgres


@pytest.fixture
def inventory(make_inventory: Make) -> Inventory:
    """An inventory that knows `COMPUTERS`."""
    return make_inventory([computer(**fields) for fields in COMPUTERS])


def found(answer: Mapping[str, tuple[Computer, ...]]) -> dict[str, list[tuple[int, str]]]:
    """Ids and fields of each key, in the order given."""
    return {key: [(c.asset_id, c.matched_field) for c in cs] for key, cs in answer.items()}


def test_name_serial_number_and_tag_are_found_by_key(inventory: Inventory) -> None:
    """People write whichever they see on the machine; several records are all given."""
    assert found(inventory.find({"CHEM-A1", "7K2QX93", "104233", "NO-SUCH"})) == {
        "CHEM-A1": [(1, "name"), (2, "name")],
        "7K2QX93": [(1, "serial number"), (6, "serial number")],
        "104233": [(1, "tag")],
    }


def test_a_full_domain_name_is_found_by_its_first_label(make_inventory: Make) -> None:
    """People say geo-srv1 for geo-srv1.geo.example.edu; a version is no domain name."""
    names = ("geo-srv1.geo.example.edu", "R-4.3.2", "geo-srv10.geo.example.edu")
    inventory = make_inventory([computer(asset_id=n, name=name) for n, name in enumerate(names, 1)])
    answer = inventory.find({"GEO-SRV1", "R-4", "GEO-SRV1.GEO.EXAMPLE.EDU"})
    assert {key: [c.asset_id for c in computers] for key, computers in answer.items()} == {
        "GEO-SRV1": [1],
        "GEO-SRV1.GEO.EXAMPLE.EDU": [1],
    }


def test_a_record_with_one_value_in_two_fields_is_given_once(inventory: Inventory) -> None:
    """The same computer twice would look like an ambiguity."""
    assert found(inventory.find({"PRN-1"})) == {"PRN-1": [(3, "name")]}


def test_inactive_ones_and_other_forms_are_left_out_only_when_asked(inventory: Inventory) -> None:
    """Replacement machines inherit names, and not every asset is a computer (case A36)."""
    assert found(inventory.find({"CHEM-A1"}, active_only=True)) == {"CHEM-A1": [(1, "name")]}
    assert found(inventory.find({"PRN-1", "CHEM-A1"}, form_id=99)) == {"PRN-1": [(3, "name")]}


def test_e18_fillers_and_blanks_find_nothing(inventory: Inventory) -> None:
    """Many records share them, and all would be attached (cases B11, E18)."""
    assert found(inventory.find({"N/A", "", "NONE"})) == {}
    assert found(inventory.find(set())) == {}


def test_outer_blanks_of_a_stored_name_do_not_matter(inventory: Inventory) -> None:
    """TDX keeps what people paste."""
    assert found(inventory.find({"GEO-SRV1"})) == {"GEO-SRV1": [(4, "name")]}


def test_a_persons_computers_are_found_active_ones_by_default(inventory: Inventory) -> None:
    """The last resort counts active computers only."""
    assert found(inventory.owned_by({OWNER, OTHER})) == {OWNER: [(3, "owner"), (4, "owner")]}
    assert found(inventory.owned_by({OWNER}, form_id=2448)) == {OWNER: [(4, "owner")]}
    everything = inventory.owned_by({OWNER.upper()}, active_only=False)
    assert found(everything) == {OWNER: [(3, "owner"), (4, "owner"), (5, "owner")]}


@pytest.mark.parametrize("uid", ["", "nobody", "00000000-0000-0000-0000-000000000000"])
def test_a38_nobody_owns_nothing(inventory: Inventory, uid: str) -> None:
    """The zero id stands on every asset without an owner (case A38)."""
    assert found(inventory.owned_by({uid})) == {}


def test_e05_an_empty_inventory_says_so(make_inventory: Make) -> None:
    """Nothing ingested looks like nothing found, and nothing would look wrong (case E05)."""
    assert make_inventory([]).is_empty()
    assert not make_inventory([computer(asset_id=1, name="CHEM-A1")]).is_empty()


def test_e08_thousands_of_keys_are_one_question(inventory: Inventory) -> None:
    """Long parameter lists have broken statements elsewhere (case E08)."""
    keys = {f"NO-SUCH-{number}" for number in range(2000)}
    assert found(inventory.find(keys | {"104233"})) == {"104233": [(1, "tag")]}


def test_e20_a_database_that_is_away_is_no_empty_answer() -> None:
    """A lost answer taken for "no hit" attaches the requestor's machine (cases E20, D04)."""
    away = PostgresInventory(create_engine("postgresql+psycopg2://u:secret@127.0.0.1:1/x"))
    for ask in (lambda: away.find({"A1"}), lambda: away.owned_by({OWNER}), away.is_empty):
        with pytest.raises(InventoryUnavailable, match="could not be asked") as caught:
            ask()
        assert "secret" not in str(caught.value)


def test_a_missing_table_is_no_empty_answer(database: Engine) -> None:
    """A database without our schema must not look like one without computers."""
    with database.begin() as connection:
        connection.execute(text("DROP TABLE silver.tdx_computers CASCADE"))
    with pytest.raises(InventoryUnavailable, match=r"silver\.tdx_computers.*tdx-dagster check"):
        PostgresInventory(database).find({"A1"})


def test_a_batch_is_asked_about_in_two_statements(database: Engine) -> None:
    """A question a ticket would cost more than the rest of the run."""
    store(database, [computer(**fields) for fields in COMPUTERS])
    statements: list[str] = []
    event.listen(database, "before_cursor_execute", lambda *args: statements.append(args[2]))
    inventory = RememberingInventory(PostgresInventory(database))
    texts = [f"ticket {number} is about CHEM-A{number}" for number in range(50)]
    inventory.prefetch(texts, IdentifierSettings(), [OWNER, OTHER])
    asked = len(statements)
    assert found(inventory.find({"CHEM-A1", "CHEM-A2"})) == {"CHEM-A1": [(1, "name"), (2, "name")]}
    assert found(inventory.owned_by({OWNER}, form_id=2448)) == {OWNER: [(4, "owner")]}
    assert (asked, len(statements)) == (2, 2)


def test_every_server_version_understands_the_queries(each_database_url: str) -> None:
    """The wheel's PostgreSQL is newer than the oldest one we promise."""
    engine = make_engine(each_database_url)
    store(engine, [computer(**fields) for fields in COMPUTERS])
    inventory = PostgresInventory(engine)
    assert found(inventory.find({"104233"}, active_only=True, form_id=2448))
    assert found(inventory.owned_by({OWNER}, form_id=2448))
    assert not inventory.is_empty()
    engine.dispose()


def test_a_list_of_assets_may_come_from_a_spreadsheet() -> None:
    """Tags arrive as numbers, and what is missing as NaN (case E03)."""
    content = '[{"ID": 1, "Tag": 104233.0, "SerialNumber": NaN, "Name": 7, "StatusName": "active"}]'
    inventory = MemoryInventory.from_json(content)
    assert found(inventory.find({"104233", "NAN"}, active_only=True)) == {"104233": [(1, "tag")]}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "no JSON"),
        ("{}", "JSON list"),
        (json.dumps([{"ID": 1}, {"Name": "X"}]), "Entry 1"),
    ],
)
def test_an_unusable_list_of_assets_is_refused_with_its_place(content: str, fault: str) -> None:
    """`explain --inventory` is given files by hand."""
    with pytest.raises(ValueError, match=fault):
        MemoryInventory.from_json(content)


def test_e07_a_batch_of_candidates_is_found_by_the_indexes_alone(database: Engine) -> None:
    """Reading the whole inventory for each batch would be felt at forty thousand assets."""
    fill = text(
        "INSERT INTO silver.tdx_computers (asset_id, name_key, serial_key, tag_key, is_active, form_id) "
        "SELECT n, 'LIB-PC-' || n, 'S' || n || 'X', 'T' || n, true, 2448 FROM generate_series(1, 20000) AS n"
    )
    keys = [f"LIB-PC-{number}" for number in range(1, 100_000, 2000)]
    with database.begin() as connection:
        connection.execute(fill)
        connection.execute(text("ANALYZE silver.tdx_computers"))
        plan = connection.execute(
            text("EXPLAIN " + QUERIES["find_computers"].text),
            {"keys": keys, "active_only": True, "form_id": 2448},
        )
        lines = "\n".join(row[0] for row in plan)
    assert "Seq Scan" not in lines
    assert lines.count("idx_tdx_computers_") == 3
