"""Ports of this machine: refused before anything starts where another program has one."""

from tdx_dagster.postgres.server import is_free
from tdx_dagster.settings import SettingsError

LAST_PORT = 65535


def require_free(port: int) -> None:
    """Refuse a port that is in use.

    Raises:
        SettingsError: Naming the port and the option.
    """
    if not is_free(port):
        other = port + 1 if port < LAST_PORT else port - 1
        raise SettingsError(
            f"Port {port} of 127.0.0.1 is in use by another program: choose another with --port, like "
            f"--port {other}."
        )
