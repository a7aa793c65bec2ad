"""Look-ups: values from a table or a map, by something of the ticket."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from tdx_dagster.cli.check import Verdict, check_values
from tdx_dagster.cli.explain import lookups_on
from tdx_dagster.cli.plan import looked_up as planned
from tdx_dagster.component_schema import actions_schema
from tdx_dagster.postgres.database import connect, engine
from tdx_dagster.simulator import Simulator
from tdx_dagster.simulator.sample.blank import IN_PROCESS, ON_HOLD
from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.registry import BadAction, read_action, read_actions
from tdx_dagster.tickets.actions.set_status import SetStatus
from tdx_dagster.tickets.actions.summary_comment import SummaryComment
from tdx_dagster.tickets.actions.update_ticket import UpdateTicket
from tdx_dagster.tickets.job import build_ticket_asset
from tdx_dagster.tickets.once.outcomes import Result
from tdx_dagster.tickets.pipeline import Pipeline
from tdx_dagster.tickets.tables import PostgresTables, by_folded_key

from .desk import Desk, client
from .test_true import comments

ASSET, TICKET = "/{app}/assets/{id}", "/{app}/tickets/{id}"
DESK, DESKTOP = 861, 862
ROWS = """
CREATE TABLE silver.routing (department text, "Group" text, responsible_group text, priority integer);
INSERT INTO silver.routing VALUES
    (' Life  SCIENCES', 'Service Desk', 'desktop support', 853),
    ('Physics', 'Service Desk', 'Service Desk', NULL),
    ('Physics', 'Service Desk', 'Desktop Support', 853),
    (NULL, NULL, 'Service Desk', 851);
"""
BY_DEPARTMENT = {"table": "silver.routing", "by": "attached_computer.department"}


@pytest.fixture
def routing(database: Engine, simulator: Simulator) -> Engine:
    """A table that routes by department; the computer of ticket 31 is of Life Sciences, those of 33 of two."""
    with database.begin() as connection:
        connection.exec_driver_sql(ROWS)
    simulator.state.lookups["Account"] |= {201: "Life Sciences", 202: "Physics"}
    for asset, department in ((1001, 202), (1002, 201), (1003, 201)):
        simulator.state.assets[asset]["OwningDepartmentID"] = department
    return database


@pytest.fixture
def desk(simulator: Simulator, routing: Engine) -> Callable[..., Desk]:
    """Makes desks over one simulator and one database."""
    return lambda *actions: Desk.over(simulator, routing, *actions)


def looked_up(**more: Any) -> dict[str, Any]:
    """A value that is looked up by the department of the attached computer."""
    return {"lookup": BY_DEPARTMENT | more}


def route(**settings: Any) -> UpdateTicket:
    """An action that routes."""
    return UpdateTicket(name="route", **settings)


def test_a_value_comes_from_the_row_of_the_attached_computers_department(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """Case and blanks of the key do not count; an id is one. It costs no further read of the computer."""
    action = route(responsible_group=looked_up(), priority=looked_up())
    working = desk(AddAsset(), action, SummaryComment())
    planned = working.outcomes(31, dry_run=True)[1]
    outcome = working.outcomes(31)[1]
    assert planned.message.startswith("Changed ticket responsible group to Desktop Support")
    assert "has 'desktop support' for 'Life Sciences'" in planned.message
    assert outcome.message == (
        "Changed ticket responsible group to Desktop Support, priority to High; "
        "responsible group looked up: silver.routing has 'desktop support' for 'Life Sciences'; "
        "priority looked up: silver.routing has 853 for 'Life Sciences'"
    )
    assert list(outcome.summary_lines) == [
        "Changed ticket responsible group to Desktop Support, priority to High"
    ]
    assert outcome.evidence["looked_up"]["priority"]["value"] == 853
    assert simulator.state.tickets[31]["ResponsibleGroupID"] == DESKTOP
    assert simulator.calls.count("GET", ASSET) == 2, "one for the dry run, one for the run"
    assert "looked up" not in comments(simulator)[-1]


def test_what_cannot_be_known_is_left_alone_and_said(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """No computer; computers of two departments; two values for one key; the one value of two rows is known."""
    several = route(
        responsible_group={
            "lookup": {"table": "silver.routing", "by": "'physics'", "key": "department"}
        },
        priority={"lookup": {"table": "silver.routing", "by": "'PHYSICS'", "key": "department"}},
    )
    (outcome,) = desk(several).outcomes(31)
    assert list(outcome.summary_lines) == [
        "Changed ticket priority to High",
        (
            "Responsible group left alone: silver.routing has 2 values for 'physics': 'Service Desk', "
            "'Desktop Support'"
        ),
    ]
    action = route(responsible_group=looked_up())
    without, of_two = desk(action).outcomes(32)[0], desk(AddAsset(), action).outcomes(33)[1]
    for found in (without, of_two):
        assert (found.result, found.message) == (
            Result.COMPLETED,
            "Responsible group left alone: attached_computer.department is empty on this ticket",
        )
    assert simulator.calls.count("PATCH", TICKET) == 1


def test_the_attached_computer_is_what_is_on_the_ticket_now(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """One that a person has taken off since is none; one that a person has attached is."""
    tess, found = simulator.technician("tess.technician"), AddAsset()
    desk(found).outcomes(31)
    tess.remove_asset(31, 1002)
    action = route(responsible_group=looked_up(), when="results.add_asset.is_done")
    (outcome,) = desk(found, action).outcomes(31)
    assert "attached_computer.department is empty" in outcome.message
    tess.add_asset(32, 1003)
    (outcome,) = desk(route(responsible_group=looked_up())).outcomes(32)
    assert outcome.message.startswith("Changed ticket responsible group to Desktop Support")


def test_a_key_without_a_row_is_left_alone_or_gets_the_default_or_fails(
    desk: Callable[..., Desk],
) -> None:
    chemistry = {"table": "silver.routing", "by": "'Chemistry'", "key": "department"}
    (left,) = desk(route(responsible_group={"lookup": chemistry})).outcomes(31)
    assert left.message == "Responsible group left alone: silver.routing has none for 'Chemistry'"
    defaulted = route(responsible_group={"lookup": chemistry | {"default": "Service Desk"}})
    assert (
        desk(defaulted)
        .outcomes(31)[0]
        .message.startswith(
            "Changed ticket responsible group to Service Desk; responsible group looked up: silver.routing has "
            "none for 'Chemistry', so the default 'Service Desk'"
        )
    )
    working = desk(route(responsible_group={"lookup": chemistry}, otherwise="fail"))
    (failed,) = working.outcomes(32)
    assert (failed.result, failed.kind) == (Result.FAILED, "permanent")
    assert "silver.routing has none for 'Chemistry'" in failed.message


def test_a_map_gives_values_by_what_the_ticket_has_and_status_takes_one_too(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    """A ticket that does not have what is looked up by has no value."""
    by_title = {"by": "ticket.title.split()[-1]", "map": {"Slow": "On Hold", "help": "In Process"}}
    action = SetStatus(status={"lookup": by_title}, off_hold_days=2)
    assert [one.message.partition(";")[0] for one in desk(action).outcomes(31, 32, 33)] == [
        "Changed ticket status to On Hold",
        "Changed ticket status to In Process",
        "Status left alone: the map has none for 'machines'",
    ]
    assert [simulator.state.tickets[one]["StatusID"] for one in (31, 32)] == [ON_HOLD, IN_PROCESS]
    absent = {"by": "ticket.attributes['Nothing']", "map": {"x": "High"}}
    (outcome,) = desk(route(priority={"lookup": absent})).outcomes(31)
    assert "ticket.attributes['Nothing'] is empty on this ticket" in outcome.message


def test_what_a_person_has_set_is_left_alone_whatever_the_table_says(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    simulator.state.tickets[31]["ResponsibleGroupID"] = DESK
    action = route(responsible_group=looked_up(), expected={"responsible_group": (None,)})
    assert desk(AddAsset(), action).outcomes(31)[1].summary_lines == [
        "Responsible group left alone: now Service Desk"
    ]


def test_what_is_looked_up_changes_no_identity_and_the_settings_of_the_look_up_do(
    desk: Callable[..., Desk], routing: Engine
) -> None:
    one = {"by": "ticket.title", "map": {"a": 1, "b": 2}}
    action = route(priority={"lookup": one})
    same = route(priority={"lookup": {"map": {"b": 2, "a": 1}, "by": "ticket.title"}})
    other = route(priority={"lookup": one | {"default": 1}})
    named = route(priority=looked_up(asset="hub/routing"))
    assert action.identity() == same.identity() != other.identity()
    assert named.identity() == route(priority=looked_up()).identity()
    assert len(action.identity().action_id) == len("update_ticket:000000000000:v1")
    assert read_action({"type": "update_ticket", **named.model_dump()}, "") == named
    by_department = route(responsible_group=looked_up())
    desk(AddAsset(), by_department).outcomes(31)
    with routing.begin() as connection:
        connection.exec_driver_sql("UPDATE silver.routing SET responsible_group = 'Service Desk'")
    assert desk(AddAsset(), by_department).outcomes(31) == []


@pytest.mark.parametrize(
    ("lookup", "fault"),
    [
        ({"table": "silver.routng"}, "does not have. Did you mean 'silver.routing'?"),
        ({"column": "group"}, "Did you mean 'Group'? It has department, Group, resp"),
        ({"key": "departmnt"}, "Did you mean 'department'?"),
        ({"table": 'silver.routing"; DROP TABLE routing; --'}, "does not have"),
        ({"column": 'priority" FROM silver.routing; --'}, "which there is not"),
    ],
)
def test_a_table_or_column_that_there_is_not_is_no_tickets_fault(
    desk: Callable[..., Desk], simulator: Simulator, lookup: dict[str, Any], fault: str
) -> None:
    action = route(priority=looked_up(**lookup))
    working = desk(AddAsset(), action)
    with pytest.raises(TdxSettingError) as raised:
        working.run(31)
    with pytest.raises(TdxSettingError, match="look-up"):
        action.check_tables(client(simulator), working.tools().tables)
    assert fault in str(raised.value)
    assert working.store.get_failed() == []


def test_check_compares_the_values_of_the_table_with_those_of_tdx(
    routing: Engine, simulator: Simulator
) -> None:
    tdx, tables = client(simulator), PostgresTables(routing)
    action = route(responsible_group=looked_up(), priority=looked_up(column="priority"))
    assert action.check_tables(tdx, tables) == (
        "responsible_group from silver.routing: 2 keys, priority from silver.routing: 2 keys"
    )
    with routing.begin() as connection:
        connection.exec_driver_sql("UPDATE silver.routing SET responsible_group = 'Servce Desk'")
    with pytest.raises(
        TdxSettingError, match=r"Did you mean 'Service Desk'.*stands in silver\.routing"
    ):
        action.check_tables(tdx, PostgresTables(routing))
    in_map = {"by": "ticket.title", "map": {"a": "Hihg"}}
    with pytest.raises(TdxSettingError, match="Did you mean 'High'"):
        route(priority={"lookup": in_map}).check(tdx)


def test_a_right_that_is_missing_is_named_with_the_grant(
    routing: Engine, simulator: Simulator
) -> None:
    url = make_url(str(routing.url.render_as_string(hide_password=False)))
    admin = connect(url.render_as_string(hide_password=False))
    with admin.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS narrow")
        cursor.execute("CREATE ROLE narrow LOGIN PASSWORD 'narrow'")
    narrow = engine(url.set(username="narrow", password="narrow").render_as_string(False))  # noqa: FBT003
    try:
        with pytest.raises(TdxSettingError) as raised:
            route(priority=looked_up()).check_tables(client(simulator), PostgresTables(narrow))
        assert 'GRANT SELECT ON "silver"."routing" TO "narrow"' in str(raised.value)
    finally:
        narrow.dispose()
        with admin.cursor() as cursor:
            cursor.execute("DROP ROLE narrow")
        admin.close()


@pytest.mark.parametrize(
    ("lookup", "faults"),
    [
        ({"by": "ticket.title"}, ["a look-up has either a table or a map"]),
        ({"table": "routing", "by": "ticket.title"}, ["priority.lookup.table = 'routing'"]),
        ({"table": "a.b", "by": "ticket.attributes['X']"}, ["give key"]),
        (
            {"map": {"Physics ": 1, "physics": 2}, "by": "ticket.title"},
            ["the map has Physics , physics twice"],
        ),
        ({"map": {"a": 1}, "by": "ticket.titel"}, ["Did you mean 'title'?"]),
        ({"map": {"a": 1}, "by": "{{ ticket.title }}"}, ["an expression without marks"]),
        ({"map": {"a": 1}, "by": "results.ad_asset.reason"}, ["Did you mean 'add_asset'?"]),
        ({"tabel": "a.b", "by": "x"}, ["'priority.lookup.tabel'. Did you mean 'table'?"]),
    ],
)
def test_a_look_up_that_makes_no_sense_is_refused_when_the_pipeline_loads(
    lookup: dict[str, Any], faults: list[str]
) -> None:
    entry = {"type": "update_ticket", "priority": {"lookup": lookup}}
    with pytest.raises(BadAction) as raised:
        read_actions([{"type": "add_asset"}, entry], "defs/x/defs.yaml")
    for fault in ["defs/x/defs.yaml: action 2", *faults]:
        assert fault in str(raised.value)
    assert "valid integer" not in str(raised.value)


def test_the_values_of_a_key_are_each_there_once() -> None:
    rows = [(" A  b ", "x"), ("a B", "X "), ("a b", 7.0), (None, "y"), ("c", None), ("c", " ")]
    assert by_folded_key(rows) == {"a b": ("x", 7)}


def test_check_plan_and_explain_show_the_look_ups(
    desk: Callable[..., Desk], routing: Engine, simulator: Simulator
) -> None:
    """What `explain` shows is of the ticket as it is: before a computer is attached there is none."""
    odd = route(impact={"lookup": {"by": "ticket.id + 'x'", "map": {"a": 1}}})
    by_title = route(priority={"lookup": {"by": "ticket.title", "map": {"Need help": "Low"}}})
    pipeline = Pipeline("p", (AddAsset(), route(responsible_group=looked_up()), by_title, odd))
    assert list(planned(pipeline))[:2] == [
        "route: responsible_group is looked up in silver.routing by attached_computer.department",
        "route: priority is looked up in the map by ticket.title",
    ]
    shown = lookups_on(32, pipeline, desk().tools())
    assert shown[:2] == [
        (
            "route: responsible group looked up: attached_computer.department is empty on this ticket"
        ),
        "route: priority looked up: the map has 'Low' for 'Need help'",
    ]
    assert "cannot be evaluated" in shown[2]
    tdx, tables = client(simulator), PostgresTables(routing)
    _, found = check_values(tdx, pipeline, tables)
    assert (found.verdict, found.text) == (
        Verdict.OK,
        "responsible_group from silver.routing: 2 keys",
    )
    _, wrong = check_values(tdx, Pipeline("p", (route(impact=looked_up(key="x")),)), tables)
    assert (wrong.verdict, wrong.about) == (Verdict.WRONG, "look-ups of p")


def test_the_schema_for_editors_knows_the_settings_of_a_look_up() -> None:
    """Nothing in it refers to a root that it does not have."""
    schema = actions_schema()
    assert "$ref" not in json.dumps(schema)
    [kind] = [
        one["then"]["properties"]
        for one in schema["items"]["allOf"]
        if one["then"]["properties"]["type"]["const"] == "update_ticket"
    ]
    assert {"table", "by", "map", "otherwise"} - set(
        re.findall(r'"(\w+)": {', json.dumps(kind))
    ) == set()


def test_the_table_is_upstream_of_the_tickets_in_the_lineage() -> None:
    """Once each; silver's computers are there already."""
    by = {"by": "attached_computer.name", "key": "name"}
    action = route(
        responsible_group=looked_up(),
        priority=looked_up(),
        impact={"lookup": by | {"table": "silver.computers", "column": "form_name"}},
        urgency=looked_up(asset="hub/routing"),
    )
    asset = build_ticket_asset(Pipeline("p", (AddAsset(), action)))
    assert {key.to_user_string() for key in asset.asset_deps[asset.key]} == {
        "silver/computers",
        "tdx/p_report",
        "silver/routing",
        "hub/routing",
    }


# The action `status`


def test_the_status_is_set_without_a_comment_and_with_a_date_where_it_needs_one(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    before = len(comments(simulator))
    working = desk(SetStatus(status="on hold", off_hold_days=3), SummaryComment(skip_if_empty=True))
    assert working.outcomes(31)[0].message == "Changed ticket status to On Hold"
    assert "Changed ticket status to On Hold" in comments(simulator)[-1]
    assert simulator.state.tickets[31]["GoesOffHoldDate"]
    assert working.outcomes(31) == []
    by_title = {"lookup": {"by": "ticket.title", "map": {"a": "In Process", "b": "On Hold"}}}
    for status in ("On Hold", by_title):
        with pytest.raises(TdxSettingError, match="'On Hold' needs a date"):
            SetStatus(status=status).check(client(simulator))
    assert before == 0


def test_the_status_is_set_from_the_statuses_named_and_over_nobodys(
    desk: Callable[..., Desk], simulator: Simulator
) -> None:
    def said(name: str, *from_statuses: int | str) -> str:
        action = SetStatus(name=name, status="In Process", from_statuses=from_statuses)
        return desk(action).outcomes(31)[0].message

    assert said("first", ON_HOLD) == "Status left alone: now New"
    assert said("second", "new") == "Changed ticket status to In Process"
    simulator.technician("tess.technician").change_status(31, ON_HOLD, goes_off_hold="2030-01-01")
    assert said("third") == "Status left alone: now On Hold, set by Tess Technician"
