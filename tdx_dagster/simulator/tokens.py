"""Bearer tokens: JSON Web Tokens of the form TDX issues.

Signed with a fixed secret, so that a token stays valid across a restart of the simulator.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

LIFETIME = timedelta(hours=24)
_SECRET = b"simulated tokens open nothing"


@dataclass(frozen=True, slots=True)
class Claims:
    """The content of a token.

    Args:
        user_name: Whom it was issued to.
        serial: Higher than that of any token issued before.
    """

    user_name: str
    serial: int


def issue(claims: Claims, now: datetime) -> str:
    """Make a token: three dot-separated base64url parts."""
    started = int(now.timestamp())
    payload = {
        "unique_name": claims.user_name,
        "tdx_entity": "2",
        "tdx_partition": "53",
        "nbf": started,
        "exp": started + int(LIFETIME.total_seconds()),
        "iat": started,
        "iss": "TD",
        "aud": "https://www.teamdynamix.com/",
        # Two tokens of one second must differ, since one can be invalid and the other not.
        "jti": str(claims.serial),
    }
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(payload)}"
    return f"{head}.{_signature(head)}"


def read(token: str, now: datetime) -> Claims | None:
    """Read a token; None where it is malformed, forged or expired."""
    head, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(head).encode()):
        return None
    payload = head.partition(".")[2]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return Claims(said["unique_name"], int(said["jti"])) if said["exp"] > now.timestamp() else None


def _part(content: dict[str, object]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _signature(head: str) -> str:
    return _base64(hmac.new(_SECRET, head.encode("utf-8", "replace"), hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
