"""The address of a TDX as people write it, and the links people follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdx_dagster.tdx.address import asset_link, is_sandbox, normalise_base_url, ticket_link
from tdx_dagster.tdx.errors import TdxSettingError

PRODUCTION = "https://x.example.edu/TDWebApi"
SANDBOX = "https://x.example.edu/SBTDWebApi"


@pytest.mark.parametrize(
    ("written", "root"),
    [
        ("https://x.example.edu/TDWebApi", PRODUCTION),
        ("https://x.example.edu/TDWebApi/", PRODUCTION),
        ("https://x.example.edu/TDWebApi/api", PRODUCTION),
        ("https://x.example.edu/TDWebApi/api/", PRODUCTION),
        ("  https://x.example.edu//TDWebAPI//API//  ", PRODUCTION),
        ("HTTPS://x.example.edu/tdwebapi", PRODUCTION),
        ("https://x.example.edu", PRODUCTION),
        ("https://x.example.edu/", PRODUCTION),
        ("https://x.example.edu/api", PRODUCTION),
        ("https://x.example.edu/SBTDWebApi/api", SANDBOX),
        ("https://x.example.edu/sbtdwebapi/", SANDBOX),
        ("http://localhost:8000", "http://localhost:8000/TDWebApi"),
        ("http://localhost/TDDev/TDWebApi/", "http://localhost/TDDev/TDWebApi"),
        ("http://[::1]:8000/SBTDWebApi", "http://[::1]:8000/SBTDWebApi"),
    ],
)
def test_every_way_to_write_an_address_leads_to_one_root(written: str, root: str) -> None:
    """Half of the public clients want the /api, the other half must not have it."""
    assert normalise_base_url(written) == root
    assert normalise_base_url(root) == root


@pytest.mark.parametrize(
    "written",
    [
        "",
        "  ",
        "x.example.edu/TDWebApi",
        "x.example.edu:8000/TDWebApi",
        "ftp://x.example.edu/TDWebApi",
        "https://",
        "https:///TDWebApi",
        "https://x.example.edu:port/TDWebApi",
        "https://x.example.edu/TDNext/Home",
        "https://x.example.edu/TDWebApi?app=46",
        "https://x.example.edu/TDWebApi#top",
        "https://robot:Hunter-2@x.example.edu/TDWebApi",
        "https://[::1/TDWebApi",
        "https://x example.edu/TDWebApi",
        "https://x.exam\nple.edu/TDWebApi",
    ],
)
def test_a_malformed_address_is_named_with_an_example_of_a_good_one(written: str) -> None:
    """The message is all that the person who set it will see; it must not repeat a password."""
    with pytest.raises(TdxSettingError, match=r"TDX_BASE_URL.*/TDWebApi") as caught:
        normalise_base_url(written)
    assert "Hunter-2" not in str(caught.value)


@given(st.text() | st.from_regex(r"https?://[ -~]{0,30}"))
def test_any_text_is_an_address_or_our_error(text: str) -> None:
    """People paste anything."""
    try:
        root = normalise_base_url(text)
    except TdxSettingError:
        return
    assert normalise_base_url(root) == root


@pytest.mark.parametrize(
    ("written", "sandbox"),
    [
        ("https://helpdesk.sbu.example.edu/TDWebApi/api", False),
        ("https://sbtdwebapi.example.edu/TDWebApi", False),
        ("https://x.example.edu/SBTDWebApi/api", True),
    ],
)
def test_only_the_path_tells_a_sandbox(written: str, sandbox: bool) -> None:
    """Case A48: two letters of a host name were taken for the sandbox."""
    assert is_sandbox(normalise_base_url(written)) is sandbox


def test_links_lead_people_to_the_same_environment() -> None:
    """A link from a sandbox run into production would show another ticket."""
    assert ticket_link(PRODUCTION, 46, 7) == (
        "https://x.example.edu/TDNext/Apps/46/Tickets/TicketDet?TicketID=7"
    )
    assert asset_link(SANDBOX, 32, 7) == (
        "https://x.example.edu/SBTDNext/Apps/32/Assets/AssetDet?AssetID=7"
    )


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_http_leads_to_this_machine_alone(host: str) -> None:
    """Everybody on the way to another one could read the sign-in."""
    assert normalise_base_url(f"http://{host}").startswith("http://")
    with pytest.raises(TdxSettingError, match="TDX_ALLOW_HTTP"):
        normalise_base_url("http://tdx.example.edu")
    assert normalise_base_url("http://tdx.example.edu", allow_http=True).startswith("http://")
