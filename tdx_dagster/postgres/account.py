"""Choose the operating system's user that the embedded server runs as.

PostgreSQL refuses to run as root, so root starts it as another user, who must be able to reach the
data and the programs. Modes of files that are not ours are never loosened for that: where a folder
is closed to that user, the server is given the one capability that opens it, on Linux, or nothing
is started.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tdx_dagster.postgres.errors import DatabaseSettingError

# The second can do more than is needed, but it is the one that containers leave to root.
CAPABILITIES = ("dac_read_search", "dac_override")


@dataclass(frozen=True, slots=True)
class Account:
    """The user who runs the server's programs.

    Args:
        name: For messages.
        uid: User id to change to; None where we already are that user.
        gid: Group id to change to.
        capability: Linux capability to keep across the change, or None.
    """

    name: str
    uid: int | None = None
    gid: int | None = None
    capability: str | None = None

    def run(self, *command: str | Path, **more: Any) -> "subprocess.CompletedProcess[str]":  # noqa: ANN401  subprocess.run's own
        """Run a program as this user, in a session of its own that no Ctrl-C reaches."""
        words, change = self._changed([str(word) for word in command])
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            cwd="/",
            env={k: v for k, v in os.environ.items() if not k.startswith("PG")},
            start_new_session=True,
            **change,
            **more,
        )

    def own(self, path: Path) -> None:
        """Make this user the owner of something that we have just made."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def _changed(self, words: list[str]) -> tuple[list[str], dict[str, Any]]:
        if self.uid is None:
            return words, {}
        if self.capability is None:
            return words, {"user": self.uid, "group": self.gid, "extra_groups": []}
        kept = f"+{self.capability}"
        who = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        # access(2), by which PostgreSQL looks for its own programs, leaves capabilities out of account
        # for an ordinary user unless this bit is set.
        bits = "--securebits=+no_setuid_fixup"
        caps = [f"--inh-caps={kept}", f"--ambient-caps={kept}"]
        return ["setpriv", bits, *who, *caps, *words], {}


def account_for(folder: Path, program: Path, owner: int | None) -> Account:
    """Find the account that can run a program over a folder.

    Args:
        folder: An existing folder the program must enter.
        program: The program.
        owner: User id of the existing data folder, or None where there is none yet.

    Raises:
        DatabaseSettingError: There is none; the text says where to put what.
    """
    if os.geteuid() != 0:
        _require_entry(os.geteuid())
        return Account(name="the current user")
    base = _account_for_root(owner)
    for candidate in _with_capabilities(base):
        # A shell does both as the user itself: what it can do, the server can.
        done = candidate.run(
            "/bin/sh",
            "-c",
            'cd "$1" && test -x "$2" && "$2" -V',
            "sh",
            folder,
            program,
            stderr=subprocess.PIPE,
        )
        if done.returncode == 0 and "Permission denied" not in done.stderr:
            return candidate
    raise DatabaseSettingError(
        f"PostgreSQL does not run as root, and the user {base.name!r} in its place cannot reach "
        f"{folder} or {program}: put the working folder and the Python environment where every "
        "user may enter, or run as an ordinary user."
    )


def _require_entry(uid: int) -> None:
    """`initdb` fails for a user without an entry, as in a container run with a bare id."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise DatabaseSettingError(
            f"PostgreSQL does not run as user id {uid}, which has no entry in /etc/passwd: "
            "add one, run as another user, or set DATABASE_URL."
        ) from None


def _with_capabilities(base: Account) -> Iterator[Account]:
    yield base
    if sys.platform == "linux" and shutil.which("setpriv"):
        for capability in CAPABILITIES:
            yield replace(base, capability=capability)


def _account_for_root(owner: int | None) -> Account:
    if owner:
        entry = pwd.getpwuid(owner)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise DatabaseSettingError(
        "PostgreSQL does not run as root, and there is neither a user 'postgres' nor 'nobody' to "
        "run it: run as an ordinary user, or set DATABASE_URL."
    )
