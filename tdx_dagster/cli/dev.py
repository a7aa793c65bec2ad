"""`dev`: serves the sample in the Dagster UI until Ctrl-C.

Belongs here: Dagster's processes, the one lock that a folder has, and what is kept between two times.
Does not: the sample itself (`demo`).
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.markup import escape

from tdx_dagster.cli.demo import Sample, sample
from tdx_dagster.cli.output import err
from tdx_dagster.cli.ports import require_free
from tdx_dagster.cli.runtime import SAMPLE_NAME, dagster_instance
from tdx_dagster.environment import SAMPLE
from tdx_dagster.postgres.server import is_free
from tdx_dagster.settings import SettingsError, embedded_folder
from tdx_dagster.simulator import Simulator, State, load_state, sample_state, save_state

# Dagster is asked to end as by Ctrl-C; its code server may take a minute, which is longer than people wait.
STOP_SECONDS = 10.0
POLL_SECONDS = 15
SAVE_SECONDS = 5.0


@dataclass(frozen=True)
class SampleSize:
    """How the sample was made. The same values give the same data."""

    tickets: int
    assets: int
    seed: int

    def __str__(self) -> str:
        """Show it as options."""
        return f"--tickets {self.tickets} --assets {self.assets} --seed {self.seed}"

    def state(self) -> State:
        """Make the sample."""
        return sample_state(tickets=self.tickets, assets=self.assets, seed=self.seed)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True)
@click.option("--tickets", type=click.IntRange(1), default=30, show_default=True)
@click.option("--assets", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--fresh", is_flag=True, help="Forget the last time, and start with a new sample.")
@click.pass_context
def dev(
    ctx: click.Context, *, port: int, tickets: int, assets: int, seed: int, fresh: bool
) -> None:
    """Serve the sample in the Dagster UI on 127.0.0.1, sensors running, until Ctrl-C.

    The sample and its history are kept for the next time; --fresh starts anew.
    """
    folder = embedded_folder().parent / SAMPLE_NAME
    size = SampleSize(tickets, assets, seed)
    with _one_per_folder(folder, port):
        require_free(port)
        kept = None if fresh else _Kept.read(folder)
        if kept and kept.size != size:
            raise SettingsError(
                f"The sample kept in {folder} was made with {kept.size}: start it with these, or with "
                "--fresh to replace it."
            )
        state = load_state(folder / "tdx.json") if kept else size.state()
        with sample(
            SAMPLE_NAME, state, port=kept.tdx_port if kept else 0, keep=bool(kept)
        ) as running:
            _Kept(size, running.simulator.port).write(folder)
            _load_inventory(running, size)
            code = _serve(port, running, folder)
            err.print("Stopping PostgreSQL and the simulator …")
    err.print("Stopped. The next `dev` goes on from here; --fresh starts anew.")
    ctx.exit(code)


@dataclass(frozen=True)
class _Kept:
    """What the next `dev` of a folder needs to go on, beside databases and the simulator's state."""

    size: SampleSize
    tdx_port: int

    def write(self, folder: Path) -> None:
        (folder / "sample.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "_Kept | None":
        """Give what the last `dev` left; None where there is nothing to go on from."""
        try:
            found = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
            kept = cls(SampleSize(**found["size"]), int(found["tdx_port"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not (folder / "tdx.json").exists():
            return None
        return kept if is_free(kept.tdx_port) else cls(kept.size, 0)


@contextmanager
def _one_per_folder(folder: Path, port: int) -> Iterator[None]:
    """Hold the folder, since both would use the same databases.

    Raises:
        SettingsError: Another `dev` holds it; the text says where it is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be written ({error.strerror}): start from a folder of your own."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise SettingsError(
                f"`tdx-dagster dev` runs in this folder already: {file.read().strip() or 'it is starting'}. "
                "End that one with Ctrl-C, or start another in a folder of its own with another --port."
            ) from None
        file.truncate(0)
        file.write(f"http://127.0.0.1:{port}, process {os.getpid()}")
        file.flush()
        yield


def _load_inventory(running: Sample, size: SampleSize) -> None:
    from tdx_dagster.cli.ingest import load_inventory  # noqa: PLC0415  imports Dagster

    os.environ.update({"TDX_SENSORS": "on", "TDX_POLL_SECONDS": str(POLL_SECONDS), SAMPLE: "on"})
    with dagster_instance(running.runtime) as instance:
        err.print(f"Loading {size.assets} assets into the inventory …")
        load_inventory(instance)


def _serve(port: int, running: Sample, folder: Path) -> int:
    """Run Dagster's UI and daemon in a process group of their own, and leave none of it behind."""
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: stopping.append(got))
    log = folder.parent / "dev.log"
    child = _start(port, running.runtime.dagster_home, folder, log)
    saver = _Saver(running.simulator, folder / "tdx.json")
    err.print(f"Starting Dagster's UI and daemon; what they say is in {escape(str(log))} …")
    is_ready = False
    try:
        while not stopping and child.poll() is None:
            if not is_ready and _answers(port):
                is_ready = True
                _say_ready(port, running.simulator)
            saver.save_now_and_then()
            time.sleep(0.2)
        if not stopping:
            err.print(f"[red]Dagster ended by itself[/]: see {escape(str(log))}.")
    finally:
        err.print(
            f"Waiting for Dagster's UI, daemon and runs to end, at most {STOP_SECONDS:.0f} s …"
        )
        _stop_group(child)
        saver.save()
    return 0 if stopping else 1


class _Saver:
    """Keeps the simulator's state on disk, so that a killed `dev` goes on nearly where it was."""

    def __init__(self, simulator: Simulator, file: Path) -> None:
        self._simulator = simulator
        self._file = file
        self._saved_at = -SAVE_SECONDS
        self._calls = -1

    def save_now_and_then(self) -> None:
        calls = len(list(self._simulator.calls))
        if time.monotonic() - self._saved_at >= SAVE_SECONDS and calls != self._calls:
            self._calls = calls
            self.save()

    def save(self) -> None:
        unfinished = self._file.with_suffix(".new")
        save_state(self._simulator.state, unfinished)
        unfinished.replace(self._file)
        self._saved_at = time.monotonic()


def _say_ready(port: int, simulator: Simulator) -> None:
    err.print(
        f"\n[bold green]ready[/]: [bold]http://127.0.0.1:{port}[/] is the Dagster UI.\n"
        "  Lineage               the graph from TDX to ticket\n"
        "  Catalog → tickets/…   a ticket's partition: what was done to it, and why\n"
        "  Automation            the sensor that polls the report, and its ticks\n"
        f"The TDX behind it is a simulator on {escape(simulator.url)}. Ctrl-C ends everything.\n"
    )


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=1):
            return True
    except OSError:
        return False


def _start(port: int, home: Path, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str((home / "workspace.yaml").resolve()), "--log-level", "warning"]
    # A folder without `.env`, which Dagster would put before the sample's own settings; custom actions
    # may lie in the folder people start from.
    here = os.pathsep.join([str(Path.cwd()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": here},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    threading.Thread(target=_write_log, args=(child, log), daemon=True).start()
    return child


def _write_log(child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Write what Dagster says, less the debug lines of runs: ten for each step."""
    with log.open("wb") as sink:
        is_debug = False
        for line in child.stdout or ():
            # A line without a level belongs to the one before.
            if b" - dagster - " in line or b" - DEBUG - " in line:
                is_debug = b" - DEBUG - " in line
            if not is_debug:
                sink.write(line)
                sink.flush()


def _stop_group(child: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, then insist; a code server may outlive its parent by a minute."""
    _signal_group(child.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and _group_lives(child):
        time.sleep(0.2)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


def _group_lives(child: "subprocess.Popen[bytes]") -> bool:
    child.poll()
    return _signal_group(child.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
