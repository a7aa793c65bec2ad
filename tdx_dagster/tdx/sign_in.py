"""Signing in to TDX and keeping the token.

Who we are (`Credentials`), how a token is got, how long it is good, and what an answer of the
sign-in means. How a request is sent and repeated is the transport's.
"""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tdx_dagster.tdx.clock import REAL_CLOCK, Clock
from tdx_dagster.tdx.errors import TdxRetryLater, TdxSettingError
from tdx_dagster.tdx.http import Response
from tdx_dagster.tdx.rate_headers import server_time

# A token is not used in the last minute of its life: a call may take that long.
LAST_MINUTE = 60.0
# Tokens live 24 hours; one that does not say so is kept a little less.
UNDATED_LIFE = 23 * 3600.0

_PAIRS = (
    ("TDX_BEID", "beid", "TDX_WEB_SERVICES_KEY", "web_services_key"),
    ("TDX_USERNAME", "username", "TDX_PASSWORD", "password"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Ways to sign in; the first complete one counts, in the order of the fields."""

    beid: str = field(default="", repr=False)
    web_services_key: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    api_token: str = field(default="", repr=False)

    def redact(self, text: str) -> str:
        """Give the text without any of the secrets, should a server echo them."""
        for secret in (self.web_services_key, self.password, self.api_token, self.beid):
            if secret:
                text = text.replace(secret, "***")
        return text


class AuthCall(Protocol):
    """Makes a call of the auth section, within the time of whoever needs the token."""

    def __call__(
        self, method: str, template: str, *, body: object = None, token: str | None = None
    ) -> Response:
        """Send it; raises `TdxRetryLater` where there is no usable answer, returns all others."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to sign in: the call and what to blame."""

    template: str
    body: dict[str, str] = field(repr=False)
    settings: str


def _way(credentials: Credentials) -> _Way | None:
    """Give the call that signs in; None where a static token is all there is.

    Raises:
        TdxSettingError: No way is complete.
    """
    if credentials.beid and credentials.web_services_key:
        body = {"BEID": credentials.beid, "WebServicesKey": credentials.web_services_key}
        return _Way("/auth/loginadmin", body, "TDX_BEID and TDX_WEB_SERVICES_KEY")
    if credentials.username and credentials.password:
        body = {"UserName": credentials.username, "Password": credentials.password}
        return _Way("/auth", body, "TDX_USERNAME and TDX_PASSWORD")
    if credentials.api_token:
        return None
    for first, first_field, second, second_field in _PAIRS:
        values = getattr(credentials, first_field), getattr(credentials, second_field)
        if any(values):
            missing, given = (second, first) if values[0] else (first, second)
            raise TdxSettingError(f"{given} is set but {missing} is not; set both.")
    raise TdxSettingError(
        "Nothing to sign in to TDX with: set TDX_BEID and TDX_WEB_SERVICES_KEY, or "
        "TDX_USERNAME and TDX_PASSWORD, or TDX_API_TOKEN."
    )


class SignIn:
    """Keeps one token for all threads and gets a new one when needed.

    Args:
        credentials: Who we are.
        clock: Tells when the token runs out.

    Raises:
        TdxSettingError: No way to sign in is complete, or the static token is malformed.
    """

    def __init__(self, credentials: Credentials, clock: Clock = REAL_CLOCK) -> None:
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._way = _way(credentials)
        self._token = ""
        self._good_until = float("-inf")
        if self._way is None:
            self._token = _bare(credentials.api_token)
            if not _is_token(self._token):
                raise TdxSettingError("TDX_API_TOKEN is malformed: a token is one word of ASCII.")

    def redact(self, text: str) -> str:
        """Give the text without any secret or token, should a server echo them."""
        text = self._credentials.redact(text)
        return text.replace(self._token, "***") if self._token else text

    @property
    def is_static(self) -> bool:
        """Whether the token was given and cannot be renewed."""
        return self._way is None

    def token(self, call: AuthCall, wait_seconds: float) -> str:
        """Give a token good for now.

        Args:
            call: Makes the call that signs in, if one is needed.
            wait_seconds: Seconds to wait for another thread that is signing in.

        Raises:
            TdxSettingError: TDX does not know us, or it is not TDX that answers.
            TdxRetryLater: It cannot be had now.
        """
        return self._get(lambda: self._clock.monotonic() < self._good_until, call, wait_seconds)

    def renew(self, refused: str, call: AuthCall, wait_seconds: float) -> str:
        """Give a token in place of one that TDX refused; another thread may have got it already.

        Raises:
            TdxSettingError: As for `token`.
            TdxRetryLater: It cannot be had now.
        """
        return self._get(lambda: self._token != refused, call, wait_seconds)

    def _get(self, is_good: Callable[[], bool], call: AuthCall, wait_seconds: float) -> str:
        if self._way is None:
            return self._token
        if not self._lock.acquire(timeout=max(wait_seconds, 0.0)):
            raise TdxRetryLater("Another thread is still signing in to TDX; try again later.")
        try:
            if not is_good():
                self._sign_in(self._way, call)
            return self._token
        finally:
            self._lock.release()

    def _sign_in(self, way: _Way, call: AuthCall) -> None:
        answer = call("POST", way.template, body=way.body)
        self._judge(way, answer)
        token = _bare(answer.text)
        if answer.is_web_page or not _is_token(token):
            raise TdxSettingError(
                f"The sign-in (POST {way.template}) answered with "
                f"{'a web page' if answer.is_web_page else 'something that is no token'}: "
                "TDX_BASE_URL does not lead to the TDX Web API. It should end in /TDWebApi.",
                call=f"POST {way.template}",
                status=answer.status,
            )
        ends = _expiry(token)
        life = (
            UNDATED_LIFE if ends is None else ends - server_time(answer.headers, self._clock.now())
        )
        self._token, self._good_until = token, self._clock.monotonic() + life - LAST_MINUTE

    def _judge(self, way: _Way, answer: Response) -> None:
        name, status = f"POST {way.template}", answer.status
        if status in {400, 401, 403}:
            said = self.redact(answer.message)
            raise TdxSettingError(
                f"TDX does not accept the sign-in ({name} answered {status}"
                f"{': ' + said if said else ''}). Check {way.settings}.",
                call=name,
                status=status,
            )
        if status == 204 or 300 <= status < 500:  # noqa: PLR2004  ranges of HTTP
            raise TdxSettingError(
                f"The sign-in ({name}) answered {status}: TDX_BASE_URL does not lead to the TDX "
                "Web API. It should end in /TDWebApi, or /SBTDWebApi for the sandbox.",
                call=name,
                status=status,
            )


def _bare(text: str) -> str:
    """Give the token without the JSON quotes some tenants put around it."""
    return text.strip().strip('"').strip()


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and not set(text) & set(" <>{}\"'")


def _expiry(token: str) -> float | None:
    """Give the token's `exp` in Unix seconds; None where it shows none. The signature is not ours."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ends = claims["exp"]
    except (IndexError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_number = isinstance(ends, (int, float)) and not isinstance(ends, bool)
    return float(ends) if is_number and 0 < ends < 10**11 else None
