"""The search of people.

Contains: every filter of `UserSearch`.
"""

from collections.abc import Iterable

from tdx_dagster.simulator.tenant.filters import (
    Test,
    capped,
    member,
    members,
    truth,
)
from tdx_dagster.simulator.tenant.model import Record
from tdx_dagster.simulator.tenant.tenant import Tenant


def search_people(tenant: Tenant, wanted: Record) -> list[Record]:
    """Search people, inactive ones included unless `IsActive` is sent.

    Args:
        tenant: The tenant.
        wanted: A `UserSearch`.
    """
    people = tenant.state.people_holding((wanted["SearchText"] or "")[:50].strip())
    tests = list(_people_tests(wanted))
    found = [person for person in people if all(test(person) for test in tests)]
    return capped(found, wanted["MaxResults"])


def _same_text(field: str, text: str) -> Test:
    return lambda person: str(person.get(field) or "").lower() == text


def _people_tests(wanted: Record) -> Iterable[Test]:
    for name in ("IsActive", "IsConfidential", "IsEmployee"):
        if wanted[name] is not None:
            yield truth(name, is_set=wanted[name])
    yield from members({"AccountIDs": "DefaultAccountID", "ReferenceIDs": "ReferenceID"}, wanted)
    for name in ("ExternalID", "AlternateID", "UserName"):
        if value := (wanted[name] or "").lower():
            yield _same_text(name, value)
    if phone := wanted["PhoneNumber"]:
        yield lambda person: phone in str(person.get("WorkPhone") or "")
    if role := wanted["SecurityRoleID"]:
        yield member("SecurityRoleID", [role])
    if app := wanted["AppName"]:
        yield lambda person: app in person.get("Applications", ())
