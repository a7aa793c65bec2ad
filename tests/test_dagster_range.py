"""The range of Dagster releases: what is declared, and what the two locks try of it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DECLARED = re.compile(r"(dagster[a-z0-9-]*)(?:\[[a-z]+\])?>=([0-9.]+),<([0-9.]+)")


def declared() -> dict[str, set[tuple[str, str]]]:
    """Lower and upper end of each package of Dagster, wherever one is declared."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = content["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *content["dependency-groups"].values(),
    ]
    found: dict[str, set[tuple[str, str]]] = {}
    for line in (line for each in lists for line in each if line.startswith("dagster")):
        declares = DECLARED.fullmatch(line)
        assert declares, f"{line}: a range with both ends is wanted"
        name, lower, upper = declares.groups()
        found.setdefault(name, set()).add((lower, upper))
    return found


def locked(name: str) -> dict[str, str]:
    """Versions of a lock file."""
    return dict(
        re.findall(r"^(dagster[a-z-]*)==([0-9.]+)", (ROOT / name).read_text(), re.MULTILINE)
    )


def number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_oldest_lock_has_the_lower_ends_and_the_other_one_is_within_the_range() -> None:
    oldest, newest = locked("requirements-oldest.lock"), locked("requirements.lock")
    for name, ends in declared().items():
        [(lower, upper)] = ends
        if name in newest:
            assert oldest[name] == lower
            assert number(lower) < number(newest[name]) < number(upper)


def test_core_and_libraries_begin_and_end_with_the_same_releases() -> None:
    """Dagster's own rule: library 0.N+16 belongs to core 1.N."""
    [core] = declared()["dagster"]
    for name, [(lower, upper)] in ((n, list(e)) for n, e in declared().items()):
        as_core = [number(lower), number(upper)]
        if lower.startswith("0."):
            as_core = [(1, minor - 16, *patch) for _, minor, *patch in as_core]
        assert as_core == [number(core[0]), number(core[1])], name
