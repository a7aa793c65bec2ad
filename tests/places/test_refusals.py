"""Refused connections: a wrong setting is told from a server that is away, in any language (lc_messages)."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tdx_dagster.postgres.database import connect
from tdx_dagster.postgres.errors import DatabaseSettingError, DatabaseUnavailable

Fake = Callable[..., str]


def message(kind: bytes, body: bytes) -> bytes:
    """One message of PostgreSQL's protocol."""
    return kind + struct.pack("!i", len(body) + 4) + body


def refusal(state: str, text: str) -> bytes:
    """The server's ErrorResponse."""
    fields = (("S", "FATAL"), ("V", "FATAL"), ("C", state), ("M", text))
    return message(b"E", b"".join(f"{k}{v}\0".encode() for k, v in fields) + b"\0")


PASSWORD_WANTED = message(b"R", struct.pack("!i", 3))


@pytest.fixture
def fake_server() -> Iterator[Fake]:
    """A server that gives these answers, one for each message after the start-up's."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            with wire:
                wire.settimeout(30)
                for answer in answers:
                    if not wire.recv(4096):
                        break
                    wire.sendall(answer)

    def start(*given: bytes) -> str:
        answers.extend(given)
        threading.Thread(target=serve, daemon=True).start()
        return f"postgresql://me:secret@127.0.0.1:{listener.getsockname()[1]}/tdx?sslmode=disable"

    yield start
    listener.close()


def test_a_refused_password_is_a_setting_in_any_language(fake_server: Fake) -> None:
    """Servers translate their messages (lc_messages), and the driver gives no SQLSTATE."""
    german = "Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen"
    url = fake_server(PASSWORD_WANTED, refusal("28P01", german))
    with pytest.raises(DatabaseSettingError, match=r"refuses DATABASE_URL.*fehlgeschlagen"):
        connect(url)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("28000", DatabaseSettingError),
        ("3D000", DatabaseSettingError),
        ("57P03", DatabaseUnavailable),
        ("53300", DatabaseUnavailable),
    ],
)
def test_a_refusal_at_once_is_sorted_by_its_state(
    fake_server: Fake, state: str, kind: type[Exception]
) -> None:
    """A server that starts or is full answers later, one without such a database does not."""
    with pytest.raises(kind, match=r"Das geht nicht.*DATABASE_URL|DATABASE_URL.*Das geht nicht"):
        connect(fake_server(refusal(state, "Das geht nicht")))


@pytest.mark.parametrize(
    "query",
    ["sslmode=verify-full&sslrootcert=/nowhere.pem", "sslmode=require", "sslmode=certainly"],
)
def test_a_wrong_certificate_or_ssl_mode_names_the_setting(database_url: str, query: str) -> None:
    """The server is there, so trying again later does not help."""
    with pytest.raises(DatabaseSettingError, match=r"refuses DATABASE_URL.*(ssl|SSL|cert)"):
        connect(f"{database_url}?{query}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGSSLMODE", "verify-full"),
        ("PGSERVICE", "theirs"),
        ("PGOPTIONS", "-c nosuch=1"),
        ("PGTARGETSESSIONATTRS", "read-only"),
    ],
)
def test_a_variable_of_the_shell_that_is_at_fault_is_named(
    database_url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """It is read beside DATABASE_URL, in which people look in vain; what the address gives is not named."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("PGUSER", "somebody")
    with pytest.raises(
        DatabaseSettingError, match=rf"from the environment, {name} applied as well"
    ):
        connect(database_url)


def test_a_certificate_of_another_authority_names_the_setting(
    database_url: str, tmp_path: Path
) -> None:
    """A bundle that is there and does not know the server's issuer."""
    bundle = tmp_path / "empty.pem"
    bundle.write_text("")
    with pytest.raises(DatabaseSettingError, match="refuses DATABASE_URL"):
        connect(f"{database_url}?sslmode=verify-ca&sslrootcert={bundle}")
