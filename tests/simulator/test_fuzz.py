"""Requests nobody thought of: no 500, no exception, no answer of the wrong shape, no growing memory.

They are made from the simulator's own description of its calls: right enough to get in, wrong enough to
hurt.
"""

import json
import random
import tracemalloc
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdx_dagster.simulator import Simulator, blank_state
from tdx_dagster.simulator.app import ROUTES
from tdx_dagster.simulator.forms import CONTENT_TYPE
from tdx_dagster.simulator.messages import Incoming, Outgoing
from tdx_dagster.simulator.routes import Route
from tdx_dagster.simulator.tenant import shapes
from tdx_dagster.simulator.tenant.model import state_from_json
from tests.simulator.conftest import PERSON
from tests.simulator.shape_check import GIVES, problems

ANY_TEXT = st.text(max_size=20)
KNOWN_IDS = st.sampled_from([0, 1, 46, 47, 48, 103, 105, 555, 1001, 1002, 7001, 7002, 67890, 2**31])
IDS = KNOWN_IDS | st.integers(-(2**70), 2**70)
SCALARS = (
    st.none() | st.booleans() | IDS | st.floats() | ANY_TEXT
    | st.sampled_from([PERSON, "null", "", "103", "True", "2026-01-01T00:00:00Z", "0001-01-01", "1e9"])
)  # fmt: skip
WILD = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
)
FITTING = {
    "int": KNOWN_IDS,
    "double": st.floats(),
    "bool": st.booleans(),
    "string": ANY_TEXT | st.sampled_from(["x", "zchem@example.edu", "7K2QX93"]),
    "guid": st.just(PERSON) | st.uuids().map(str),
    "datetime": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
}


def value_of(field: shapes.Field) -> st.SearchStrategy[Any]:
    """Mostly a value that fits the field, sometimes any other."""
    if field.kind in FITTING:
        one = FITTING[field.kind]
    elif field.kind == "any":
        one = WILD
    else:
        one = objects(field.kind)
    fitting = st.lists(one, max_size=3) if field.is_list else one
    return fitting | WILD


def objects(kind: str) -> st.SearchStrategy[Any]:
    """An input object with some of its fields."""
    known = {field.name: st.deferred(lambda f=field: value_of(f)) for field in shapes.fields(kind)}
    return st.fixed_dictionaries({}, optional=known)


OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "copy", "move", "test"]),
            "path": st.sampled_from(
                ["/Title", "/statusid", "/attributes/18375", "/attributes/-", "/ID"]
            )
            | ANY_TEXT,
        },
        optional={"value": WILD, "from": st.sampled_from(["/Title", "/CreatedDate"])},
    ),
    max_size=4,
)


def bodies(route: Route) -> st.SearchStrategy[bytes]:
    """A body as the route takes it, or any bytes."""
    if route.takes == "[any]":
        made: st.SearchStrategy[Any] = OPERATIONS
    elif route.takes:
        made = objects(route.takes) if route.takes[0] != "[" else st.lists(SCALARS, max_size=3)
    else:
        made = WILD
    as_json = (made | WILD).map(lambda value: json.dumps(value).encode("utf-8", "replace"))
    return as_json | st.binary(max_size=30) | forms(route)


def forms(route: Route) -> st.SearchStrategy[bytes]:
    """The same fields in a form, with brackets and repetitions."""
    known = shapes.fields(route.takes) if route.takes and route.takes[0] != "[" else ()
    name = st.sampled_from([field.name for field in known] or ["x"]) | ANY_TEXT
    bracketed = st.builds("{}{}".format, name, st.sampled_from(["", "[]", "[0]", "[0][ID]", ".ID"]))
    pairs = st.lists(st.tuples(bracketed, SCALARS), max_size=5)
    return pairs.map(
        lambda rows: urlencode([(k, str(v)) for k, v in rows], errors="replace").encode()
    )


@st.composite
def requests(draw: st.DrawFn) -> Incoming:
    """A request to some route, or near one."""
    route = draw(st.sampled_from(ROUTES))
    parts = [_part(draw, part) for part in route.template.strip("/").split("/")]
    path = draw(st.sampled_from(["/TDWebApi/api/", "/sbtdwebapi/API//"])) + "/".join(parts)
    query = draw(
        st.sampled_from(["", "withData=true&dataSortExpression=", "applyDefaults=", "maxResults="])
    )
    headers = draw(st.sampled_from([{}, {"content-type": CONTENT_TYPE}]))
    return Incoming(route.method, path, query + draw(ANY_TEXT), headers, draw(bodies(route)))


def _part(draw: st.DrawFn, part: str) -> str:
    match part.strip("{}"):
        case "app":
            return str(draw(st.sampled_from([46, 48]) | IDS))
        case "id" | "asset" | "item" | "ticket":
            return str(draw(IDS))
        case "uid" | "username":
            return draw(st.just(PERSON) | ANY_TEXT)
        case name:
            return name


def small_tenant() -> Simulator:
    """A few records of each kind, some with hardly a field set."""
    state = blank_state()
    state.add_person(UID=PERSON, UserName="zchem", FullName="Zoe Chem")
    state.add_ticket(
        ID=7001, Title="Laptop", RequestorUid=PERSON, CreatedDate="2026-11-01T10:00:00Z"
    )
    state.add_ticket(ID=7002, ParentID=7001)
    state.add_asset(ID=1001, Name="GEO-FIELD2", StatusID=38, ConfigurationItemID=555)
    state.add_asset(ID=1002, SerialNumber="7K2QX93", StatusID=39)
    return Simulator(state)


def check(simulator: Simulator, incoming: Incoming, answer: Outgoing) -> None:
    """The answer is one that TDX could give."""
    assert answer.status < 500, incoming
    call = list(simulator.calls)[-1]
    is_json = (answer.content_type or "").startswith("application/json")
    if is_json and answer.body:
        value = json.loads(answer.body, parse_constant=pytest.fail)
        if answer.status < 300:
            assert problems(GIVES[call.name], value, call.name) == []


def run(sequence: list[Incoming]) -> None:
    """Send requests one after the other to a fresh tenant; its state must stay one."""
    simulator = small_tenant()
    headers = {"authorization": f"Bearer {simulator.token('admin.service')}"}
    for bare in sequence:
        incoming = Incoming(
            bare.method, bare.path, bare.query, {**headers, **bare.headers}, bare.body
        )
        check(simulator, incoming, simulator.respond(incoming))
    saved = simulator.state.as_json()
    assert state_from_json(saved).as_json() == saved


UNHURRIED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=100, **UNHURRIED)
@given(st.lists(requests(), min_size=1, max_size=10))
def test_some_hundred_requests(sequence: list[Incoming]) -> None:
    """The quick form of the next one, for every run of the tests."""
    run(sequence)


@pytest.mark.slow
@settings(max_examples=400, **UNHURRIED)
@given(st.lists(requests(), min_size=10, max_size=10))
def test_four_thousand_requests(sequence: list[Incoming]) -> None:
    """Sequences, since a state that one request spoils shows in a later one."""
    run(sequence)


def reading_requests(count: int) -> list[Incoming]:
    """Requests that leave the state as it is, from a seed."""
    rng = random.Random(5)
    readers = [route for route in ROUTES if route.method == "GET" or "search" in route.template]
    made = []
    for _ in range(count):
        route = rng.choice(readers)
        path = route.template.replace("{app}", rng.choice(["46", "48"]))
        for name in ("{id}", "{uid}", "{username}"):
            path = path.replace(name, rng.choice(["7001", "1001", "103", "zchem"]))
        body = rng.choice([b"", b"{}", b'{"SearchText":"7"}', rng.randbytes(50), b"{" * 5000])
        made.append(Incoming(route.method, f"/TDWebApi/api{path}", "withData=true", {}, body))
    return made


@pytest.mark.slow
def test_memory_does_not_grow() -> None:
    """It is left running for days; the call log apart, which has an end, nothing may pile up."""
    simulator = small_tenant()
    headers = {"authorization": f"Bearer {simulator.token()}"}
    sent = [
        Incoming(each.method, each.path, each.query, headers, each.body)
        for each in reading_requests(500)
    ]
    held = []
    tracemalloc.start()
    for _ in range(10):
        for incoming in sent:
            check(simulator, incoming, simulator.respond(incoming))
        simulator.calls.reset()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[-1] - held[2] < 100_000
