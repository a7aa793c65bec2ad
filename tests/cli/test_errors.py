"""What people are told when a pipeline's file is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tdx_dagster import component
from tdx_dagster.cli.plan import choose_pipeline
from tdx_dagster.definitions import build_defs
from tdx_dagster.settings import SettingsError

HEAD = "type: tdx_dagster.TicketPipeline\nattributes:\n"
ACTIONS = "  actions:\n    - type: add_asset\n"


@pytest.fixture
def file() -> Iterator[Path]:
    """A pipeline's file beside the one that ships."""
    folder = component.DEFS_FOLDER / "wrong_for_a_test"
    folder.mkdir()
    yield folder / "defs.yaml"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            HEAD + "  report_idd: 5\n" + ACTIONS,
            ["defs.yaml:3", "'report_idd'", "mean 'report_id'?"],
        ),
        (HEAD + "  tickets_per_run: 0\n" + ACTIONS, ["defs.yaml:3", "tickets_per_run = 0"]),
        (HEAD + "  report_id: 5\n", ["'actions' is missing"]),
        (HEAD + ACTIONS + "      max_asset: 3\n", ["action 1", "'max_assets_to_add'?"]),
        ("type: tdx_dagster.TicketPipelin\nattributes: {}\n", ["TicketPipelin"]),
        (HEAD + "  actions: [\n", ["defs.yaml", "line 4"]),
        ("", ["defs.yaml is empty"]),
        ("\n\n", ["defs.yaml is empty"]),
    ],
)
def test_a_wrong_file_is_told_with_its_place_the_field_and_the_nearest_name(
    file: Path, text: str, words: list[str]
) -> None:
    """A sentence that ends in the fix, not a tree of components."""
    file.write_text(text)
    said = component.load_defs_folder().broken[file.parent.name]
    for word in words:
        assert word in said


def test_f21_a_broken_pipeline_stops_no_healthy_one_and_its_sensor_says_what_is_wrong(
    file: Path,
) -> None:
    """The code location loads, the command line names the fault, the UI shows it at each tick."""
    file.write_text(HEAD + "  actions: [\n")
    assert "compliance" in component.load_pipelines()
    repository = build_defs().get_repository_def()
    assert repository.has_job("compliance")
    broken = repository.get_sensor_def("wrong_for_a_test_report")
    assert "line 4" in str(broken.description)
    with pytest.raises(SettingsError, match="line 4"):
        choose_pipeline("wrong_for_a_test")
    assert choose_pipeline("compliance").name == "compliance"


def test_f21_a_pipeline_in_defs_yml_is_read_as_dagster_reads_it(file: Path) -> None:
    """Dagster takes both endings; the command line must not see fewer pipelines than the UI."""
    file.with_suffix(".yml").write_text(HEAD + "  report_id: 5\n" + ACTIONS)
    assert component.load_pipelines()["wrong_for_a_test"].report_id == 5


def test_a_folder_whose_name_dagster_refuses_is_named_with_what_is_wanted(file: Path) -> None:
    """Names become those of assets and jobs."""
    odd = file.parent.with_name("wrong für a test")
    odd.mkdir()
    try:
        (odd / "defs.yaml").write_text(HEAD + ACTIONS)
        folder = component.load_defs_folder()
    finally:
        (odd / "defs.yaml").unlink()
        odd.rmdir()
    assert "letters, digits" in folder.broken[odd.name]
    assert "compliance" in folder.pipelines
