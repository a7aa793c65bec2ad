"""The address of a TDX, from what people write into `TDX_BASE_URL`, and links for people.

Everything that knows how TDX's URLs are built. Calls are made elsewhere.
"""

import re
from urllib.parse import SplitResult, urlsplit

from tdx_dagster.tdx.errors import TdxSettingError
from tdx_dagster.tdx.network import is_loopback

SETTING = "TDX_BASE_URL"
EXAMPLE = "https://example.teamdynamix.com/TDWebApi"

_PRODUCTION, _SANDBOX = "TDWebApi", "SBTDWebApi"
_SEGMENTS = {name.lower(): name for name in (_PRODUCTION, _SANDBOX)}
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:%]+")


def normalise_base_url(text: str, *, allow_http: bool = False) -> str:
    """Give the root of the Web API, without `/api` and without a slash at its end.

    Args:
        text: With or without `/api`, `TDWebApi` or `SBTDWebApi` and slashes; a host alone means
            its production API.
        allow_http: Whether http:// may lead to another machine, where a token can be read on the way.

    Returns:
        For example `https://example.teamdynamix.com/TDWebApi`.

    Raises:
        TdxSettingError: It is missing or malformed; names `TDX_BASE_URL`.
    """
    parts = _split(text)
    if parts.scheme.lower() == "http" and not allow_http and not is_loopback(parts.hostname or ""):
        raise TdxSettingError(
            f"{SETTING} begins with http://, so everybody on the way could read the sign-in. Set it to "
            f"https://, or set TDX_ALLOW_HTTP=true."
        )
    segments = [segment for segment in parts.path.split("/") if segment]
    if segments and segments[-1].lower() == "api":
        segments.pop()
    if not segments:
        segments = [_PRODUCTION]
    name = _SEGMENTS.get(segments[-1].lower())
    if name is None:
        raise _malformed(f"its path ends in {segments[-1]!r}, not in TDWebApi or SBTDWebApi")
    return f"{parts.scheme.lower()}://{parts.netloc}/{'/'.join([*segments[:-1], name])}"


def _split(text: str) -> SplitResult:
    text = text.strip()
    if not text:
        raise TdxSettingError(f"{SETTING} is not set. Set it to the API's address, like {EXAMPLE}.")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _malformed("it is not a URL") from error
    if re.search(r"\s", text):  # a line break in it would be taken out without a word
        raise _malformed("it has a blank or a line break")
    # "host:8000/path" parses as the scheme "host".
    if "://" not in text or parts.scheme.lower() not in {"http", "https"}:
        raise _malformed("it does not start with https://")
    if parts.username is not None or parts.password is not None:
        raise _malformed("it holds a user name or password, which have settings of their own")
    if not host or not _HOST.fullmatch(parts.netloc):
        raise _malformed("its host name is missing or has characters that host names do not have")
    if parts.query or parts.fragment:
        raise _malformed("it has a part after '?' or '#'")
    return parts


def _malformed(why: str) -> TdxSettingError:
    # The value itself is not shown: people paste addresses with passwords in them.
    return TdxSettingError(f"{SETTING} is malformed: {why}. It should look like {EXAMPLE}.")


def environment_of(base_url: str) -> str:
    """Give the environment of an address: host and path, the same however the address is written."""
    root = urlsplit(normalise_base_url(base_url, allow_http=True))
    port = root.port if root.port != {"http": 80, "https": 443}[root.scheme] else None
    return f"{root.hostname}{f':{port}' if port else ''}{root.path}"


def is_sandbox(base_url: str) -> bool:
    """Tell whether a normalised address is a sandbox: by its path segment alone (case A48)."""
    return base_url.rpartition("/")[2] == _SANDBOX


def ticket_link(base_url: str, app_id: int, ticket_id: int) -> str:
    """Tell where people see a ticket."""
    return f"{_site(base_url)}/Apps/{app_id}/Tickets/TicketDet?TicketID={ticket_id}"


def asset_link(base_url: str, app_id: int, asset_id: int) -> str:
    """Tell where people see an asset."""
    return f"{_site(base_url)}/Apps/{app_id}/Assets/AssetDet?AssetID={asset_id}"


def _site(base_url: str) -> str:
    root, _, segment = base_url.rpartition("/")
    return f"{root}/{'SBTDNext' if segment == _SANDBOX else 'TDNext'}"
