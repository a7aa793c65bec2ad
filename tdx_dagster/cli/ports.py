"""Ports of this machine: refused before anything starts where another program has one."""

import socket

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


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of loopback; 0 is always free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
