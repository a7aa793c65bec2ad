"""Shells, folders and ports as people have them: it works, or one sentence names what to change."""

import fcntl
import json
import os
import shutil
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from tdx_dagster.cli import cli
from tdx_dagster.cli.runtime import dagster_home
from tdx_dagster.settings import SettingsError

from .conftest import ROOT, Shell

# Root that may not pass over the modes of files, like any other account.
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def test_f16_a_tilde_in_dagster_home_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves it alone in quotes and in `.env`."""
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "dagster.yaml").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "~/x")
    assert dagster_home() == tmp_path / "x"


@pytest.mark.parametrize("given", ["~/x", "home", "~nobody-of-that-name/x", "empty", "file"])
def test_f16_a_dagster_home_that_is_not_there_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """It was a traceback of Dagster's, after `check` had said that all is well."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", given)
    with pytest.raises(SettingsError, match=f"DAGSTER_HOME is {given}, and .*dagster.yaml"):
        dagster_home()


@pytest.mark.parametrize("command", ["dev", "simulate"])
def test_f18_a_port_in_use_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """`dev` named an address that was somebody else's, and ran on."""
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = CliRunner().invoke(cli, [command, "--port", port])
    assert done.exit_code == 2
    assert f"Port {port} of 127.0.0.1 is in use" in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / ".tdx" / "postgres").exists()


def test_a_second_dev_in_one_folder_is_refused_with_the_place_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dropped the databases under the first one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tdx" / "dev"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("http://127.0.0.1:3000, process 77")
        lock.flush()
        done = CliRunner().invoke(cli, ["dev"])
    assert done.exit_code == 2
    for words in ("http://127.0.0.1:3000, process 77", "--port", "Ctrl-C"):
        assert words in done.stderr


@pytest.mark.parametrize(
    "changes", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}]
)
def test_an_output_that_cannot_show_a_letter_shows_a_mark_for_it(
    shell: Shell, changes: dict[str, str]
) -> None:
    """Old terminals, cron and pipes; a table is drawn with arrows and lines."""
    (shell.folder / "mail.txt").write_text("Größe von CHEM-A101 → 日本")
    (shell.folder / "windows.txt").write_text("Größe von CHEM-A101", encoding="utf-16")
    asset = {"ID": 7, "Name": "CHEM-A101", "SerialNumber": None, "Tag": None}
    (shell.folder / "assets.json").write_text(json.dumps([asset | {"StatusName": "Active"}]))
    words = ("explain", "--text", "mail.txt", "--inventory", "assets.json")
    shown = shell.run(*words, DATABASE_URL=None, **changes)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "CHEM-A101" in shown.stdout
    words = ("explain", "--text", "windows.txt", "--inventory", "assets.json")
    assert shell.json(*words, DATABASE_URL=None, **changes)["asset_ids"] == [7]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_output_on_a_full_disk_is_told_in_a_sentence(shell: Shell) -> None:
    """A log of cron's that has grown; rich and click raised an error without a file's name."""
    script = 'exec "$@" >/dev/full'
    here = Shell(shell.folder, shell.environment, ("sh", "-c", script, "sh"))
    done = here.run("actions")
    assert done.returncode == 2, done.stderr
    assert "The output cannot be written: No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_with_blanks_and_umlauts_serves_as_any_other(shell: Shell) -> None:
    """The embedded server's data lies below it."""
    folder = shell.folder / "mein Ordner ü"
    folder.mkdir()
    there = Shell(folder, shell.environment)
    try:
        done = there.run("env", DATABASE_URL=None, DAGSTER_DATABASE_URL=None)
        assert (done.returncode, "/tdx_dagster" in done.stdout) == (0, True), done.stderr
        assert there.run("stats", DATABASE_URL=None, HOME=None).returncode == 0
    finally:
        there.run("down", DATABASE_URL=None)


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to be another account"
)
@pytest.mark.parametrize(
    "command", [("env",), ("dev", "--port", "3999"), ("process", "--log", "sub/it.log")]
)
@pytest.mark.parametrize("whose", ["read-only", "leftovers"])
def test_a_folder_that_this_account_may_not_write_to_is_told_in_a_sentence(
    shell: Shell, command: tuple[str, ...], whose: str
) -> None:
    """A project installed by root, or a `.tdx` that another account left."""
    folder = shell.folder / "theirs"
    (folder / ".tdx").mkdir(parents=True)
    for path in (folder, folder / ".tdx"):
        os.chown(path, 65534, 65534)
        path.chmod(0o555 if whose == "read-only" else 0o700)
    folder.chmod(0o555)
    there = Shell(folder, shell.environment | {"DAGSTER_HOME": str(ROOT)}, AS_OTHERS)
    done = there.run(*command, DATABASE_URL=None)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_gone_is_told_in_a_sentence(shell: Shell) -> None:
    """Another shell has removed it."""
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    here = Shell(shell.folder, shell.environment, ("sh", "-c", script, "sh"))
    done = here.run("stats", DAGSTER_HOME=None)
    assert done.returncode == 2, done.stderr
    assert "is gone" in done.stderr
