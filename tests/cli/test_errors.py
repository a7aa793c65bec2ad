"""What people are told when a pipeline's file is wrong."""

from pathlib import Path

import pytest

from tdx_dagster import component
from tdx_dagster.cli.check import Verdict, run_checks
from tdx_dagster.cli.plan import choose_pipeline
from tdx_dagster.definitions import build_defs
from tdx_dagster.settings import SettingsError

from .pipelines import HEAD, use_pipelines

ACTIONS = "  actions:\n    - type: add_asset\n"
HEALTHY = HEAD + ACTIONS


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]
) -> None:
    """A sentence that ends in the fix, not a tree of components."""
    use_pipelines(tmp_path, monkeypatch, wrong=text, healthy=HEALTHY)
    folder = component.load_defs_folder()
    assert list(folder.pipelines) == ["healthy"]
    for word in words:
        assert word in folder.broken["wrong"]


def test_f21_a_broken_pipeline_stops_no_healthy_one_and_its_sensor_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code location loads, the command line names the fault, the UI shows it at each tick."""
    broken = HEAD + "  actions: [\n"
    use_pipelines(tmp_path, monkeypatch, broken=broken, healthy=HEALTHY)
    repository = build_defs().get_repository_def()
    assert repository.has_job("healthy")
    assert "line 4" in str(repository.get_sensor_def("broken_report").description)
    for name in ("broken", None):
        with pytest.raises(SettingsError, match="line 4"):
            choose_pipeline(name)
    assert choose_pipeline("healthy").name == "healthy"


def test_f21_a_pipeline_in_defs_yml_is_read_as_dagster_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster takes both endings; the command line must not see fewer pipelines than the UI."""
    use_pipelines(tmp_path, monkeypatch, short=HEALTHY)
    [file] = tmp_path.rglob("defs.yaml")
    file.rename(file.with_suffix(".yml"))
    assert list(component.load_pipelines()) == ["short"]


def test_a_folder_whose_name_dagster_refuses_is_named_with_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names become those of assets and jobs."""
    texts = {"wrong für a test": HEALTHY, "healthy": HEALTHY}
    use_pipelines(tmp_path, monkeypatch, **texts)
    folder = component.load_defs_folder()
    assert "letters, digits" in folder.broken["wrong für a test"]
    assert list(folder.pipelines) == ["healthy"]


def test_check_names_a_broken_pipeline_beside_the_healthy_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`check` is run before the first pass."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/none")
    use_pipelines(tmp_path, monkeypatch, broken="", healthy=HEALTHY)
    found = {one.about: one for one in run_checks()}
    assert (found["pipelines"].verdict, found["pipelines"].text) == (Verdict.OK, "healthy")
    assert found["pipeline broken"].verdict is Verdict.WRONG
