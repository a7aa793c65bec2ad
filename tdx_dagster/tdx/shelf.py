"""Where the processes of an installation share a token: sealed, in the database, until it runs out.

Belongs here: sealing, and reading and writing the one row. Does not: signing in, and what a token is worth
(`signin`). A shelf that cannot be read or written is an empty one: it only costs a sign-in.
"""

import base64
import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Engine, text

from tdx_dagster.tdx.sign_in import Credentials

log = logging.getLogger(__name__)

# Some 50 ms and 16 MB a process: a password that people chose must not be guessed from a stolen database.
SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 64}

_TAKE = text(
    """
    SELECT sealed, extract(epoch FROM good_until - clock_timestamp()) AS seconds
    FROM meta.shared_token WHERE name = :name AND good_until > clock_timestamp()
    """
)
_PUT = text(
    """
    INSERT INTO meta.shared_token (name, sealed, good_until)
    VALUES (:name, :sealed, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET sealed = EXCLUDED.sealed, good_until = EXCLUDED.good_until
    """
)


@dataclass(frozen=True)
class PostgresShelf:
    """A shelf in the installation's database.

    Args:
        engine: The database, migrated.
        base_url: The TDX that the token is for.
        credentials: Who it is for; the seal is made of the secret one, with scrypt.
    """

    engine: Engine
    base_url: str
    credentials: Credentials

    @cached_property
    def _keys(self) -> tuple[str, Fernet]:
        known = self.credentials
        secret = known.web_services_key if known.beid else known.password
        salt = f"tdx-dagster token\n{self.base_url}\n{known.beid or known.username}"
        made = hashlib.scrypt(secret.encode(), salt=salt.encode(), **SCRYPT)
        return made[32:].hex(), Fernet(base64.urlsafe_b64encode(made[:32]))

    def take(self) -> tuple[str, float] | None:
        """See `signin.Shelf.take`."""
        name, seal = self._keys
        try:
            with self.engine.connect() as connection:
                row = connection.execute(_TAKE, {"name": name}).first()
            if row is None:
                return None
            return seal.decrypt(row.sealed.encode()).decode(), float(row.seconds)
        except InvalidToken:
            return None
        except Exception as error:  # noqa: BLE001  the shelf only saves a call; whatever it lacks
            log.debug("No shared token: %s", type(error).__name__)
            return None

    def put(self, token: str, seconds: float) -> None:
        """See `signin.Shelf.put`."""
        name, seal = self._keys
        values = {"name": name, "sealed": seal.encrypt(token.encode()).decode(), "seconds": seconds}
        try:
            with self.engine.begin() as connection:
                connection.execute(_PUT, values)
        except Exception as error:  # noqa: BLE001  the same
            log.debug("The token is not shared: %s", type(error).__name__)
