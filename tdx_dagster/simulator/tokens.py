"""Bearer tokens: JSON Web Tokens of the form TDX issues (reference, section 2.3).

Signed with a fixed secret, so that a token outlives a restart of the simulator as it outlives one of TDX.
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from uuid import uuid4

LIFETIME = timedelta(hours=24)
_SECRET = b"simulated tokens open nothing"


def issue(user_name: str, now: datetime) -> str:
    """Make a token for a user.

    Args:
        user_name: Goes into `unique_name`.
        now: Time of issue, with a zone.

    Returns:
        Three dot-separated base64url parts.
    """
    started = int(now.timestamp())
    claims = {
        "unique_name": user_name,
        "tdx_entity": "2",
        "tdx_partition": "53",
        "nbf": started,
        "exp": started + int(LIFETIME.total_seconds()),
        "iat": started,
        "iss": "TD",
        "aud": "https://www.teamdynamix.com/",
        # Two tokens of one second must differ, since each can be revoked by itself.
        "jti": uuid4().hex,
    }
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{head}.{_signature(head)}"


def user_of(token: str, now: datetime) -> str | None:
    """The user a token was issued to.

    Args:
        token: As sent.
        now: The time, with a zone.

    Returns:
        The user name, None where the token is garbled, forged or expired.
    """
    head, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(head).encode()):
        return None
    payload = head.partition(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["unique_name"] if claims["exp"] > now.timestamp() else None


def _part(content: dict[str, object]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _signature(head: str) -> str:
    return _base64(hmac.new(_SECRET, head.encode("utf-8", "replace"), hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
