"""Read what a data folder's lock file and the process table say of its server.

Belongs here: reading `postmaster.pid`, telling a live server from a dead one, a zombie or another
process. Does not: starting or stopping one.
"""

import os
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

NO_SUCH_PID = 2**31 - 1
"""Larger than any process id of Linux (2^22) or macOS (99,999)."""

LOCK_FILE_LINES = 8
"""Process id, data folder, start, port, socket folder, address, shared memory, state."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A server as its lock file describes it."""

    pid: int
    port: int
    is_ready: bool


def read_postmaster(data: Path) -> Postmaster | None:
    """Read the server that a data folder's lock file names, dead or alive; None before it listens."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        if len(lines) < LOCK_FILE_LINES:
            return None
        return Postmaster(int(lines[0]), int(lines[3]), lines[7].strip() == "ready")
    except (FileNotFoundError, ValueError):
        return None


def live_postmaster(data: Path) -> Postmaster | None:
    """Find the server that runs over a data folder, or None."""
    known = read_postmaster(data)
    return known if known is not None and serves(known.pid, data) else None


def lock_file_pid(data: Path) -> int | None:
    """Read the process id in the lock file, which may be all there is in it yet."""
    try:
        return int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def exists(pid: int) -> bool:
    """Tell whether a process runs. A zombie does not."""
    state, _ = _process(pid)
    return state not in ("", "Z", "X")


def serves(pid: int, data: Path) -> bool:
    """Tell whether a process is the server of this data folder, not another that got its number."""
    state, words = _process(pid)
    if state in ("", "Z", "X") or not words:
        return False
    if os.path.basename(words[0]) not in ("postgres", "postmaster"):  # noqa: PTH119  not a path of ours
        return False
    folder = next((b for a, b in pairwise(words) if a == "-D"), "")
    # Started by hand with a relative path: taken as ours, since a second server would damage its data.
    return not os.path.isabs(folder) or Path(folder).resolve() == data.resolve()  # noqa: PTH117  as above


def forget_dead(data: Path) -> None:
    """Let the next server start although the lock file names a process that is no server of it.

    PostgreSQL takes any process of that number, even a zombie, for its predecessor. The number
    is replaced by one that cannot exist; the file stays, since it also names the shared memory by
    which a new server notices orphans of the dead one and waits for them.
    """
    pid = lock_file_pid(data)
    if pid is None or pid == NO_SUCH_PID or serves(pid, data):
        return
    path = data / "postmaster.pid"
    rest = path.read_text(encoding="utf-8").partition("\n")[2]
    handle = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{NO_SUCH_PID}\n{rest}")


def _process(pid: int) -> tuple[str, list[str]]:
    """Read the state letter and words of a process's command line; empty where there is none."""
    folder = Path("/proc") / str(pid)
    if not Path("/proc/self/stat").exists():
        return _process_by_ps(pid)
    try:
        # The name in brackets may hold anything, so the state is what follows the last bracket.
        state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except (OSError, IndexError):
        return "", []
    return state, [os.fsdecode(word) for word in words if word]


def _process_by_ps(pid: int) -> tuple[str, list[str]]:
    """Read the same by `ps`, where there is no /proc; the folder is all that follows -D."""
    done = subprocess.run(
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],  # noqa: S607  its folder differs
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, command = done.stdout.strip().partition(" ")
    program, _, folder = command.strip().partition(" -D ")
    return state[:1], [program, "-D", folder] if folder else [program]
