"""What people are told when a pipeline's file is wrong."""

from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInvalidDefinitionError
from sqlalchemy import make_url

from tdx_dagster import component, environment
from tdx_dagster.cli.check import Finding, Verdict, run_checks
from tdx_dagster.cli.errors import exit_code_and_text
from tdx_dagster.cli.plan import choose_pipeline
from tdx_dagster.cli.runtime import Runtime, dagster_instance
from tdx_dagster.definitions import build_defs
from tdx_dagster.inventory.computers import InventoryUnavailable
from tdx_dagster.postgres.database import engine
from tdx_dagster.postgres.errors import DatabaseUnavailable, MissingRight
from tdx_dagster.settings import SettingsError
from tdx_dagster.state.postgres_store import PostgresStore
from tdx_dagster.state.records import StoreUnavailable
from tdx_dagster.tdx.errors import TdxRetryLater

from .conftest import ROOT
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
        ("# later\n---\nnull\n", ["defs.yaml is empty"]),
        (HEALTHY + "---\n" + HEALTHY, ["two pipelines named 'wrong'"]),
        ("type: no.such.Thing\nattributes: {}\n", ["no.such"]),
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


def test_f21_two_pipelines_of_one_name_are_both_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line took one of them without a word, and Dagster loaded none at all."""
    use_pipelines(tmp_path, monkeypatch, twin=HEALTHY, healthy=HEALTHY, a_healthy_undo=HEALTHY)
    [file] = tmp_path.rglob("twin/defs.yaml")
    copy = file.parents[1] / "sub" / "twin" / "defs.yaml"
    copy.parent.mkdir(parents=True)
    copy.write_text(file.read_text())
    (file.parents[1] / "a_healthy_undo").rename(file.parents[1] / "healthy_undo")
    folder = component.load_defs_folder()
    assert list(folder.pipelines) == ["healthy"]
    assert "two pipelines named 'twin'" in folder.broken["twin"]
    assert "both have a job 'healthy_undo'" in folder.broken["healthy_undo"]
    assert build_defs().get_repository_def().has_job("healthy")
    with pytest.raises(SettingsError, match="twin"):
        choose_pipeline("twin")


@pytest.mark.parametrize("text", ["import no_such_module\n", "def (:\n"])
def test_f21_a_python_file_that_cannot_be_imported_stops_no_pipeline_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Every command ended with a traceback, and the code location failed."""
    use_pipelines(tmp_path, monkeypatch, healthy=HEALTHY)
    [file] = tmp_path.rglob("healthy/defs.yaml")
    (file.parents[1] / "stuff.py").write_text(text)
    assert list(component.load_pipelines()) == ["healthy"]
    assert "defs/stuff.py: " in component.load_defs_folder().broken["stuff.py"]
    repository = build_defs().get_repository_def()
    assert repository.has_job("healthy")
    assert repository.has_sensor_def("stuff_py_report")


def test_definitions_that_do_not_go_together_are_told_in_a_sentence() -> None:
    """A job of somebody's own with the name of a pipeline."""
    with pytest.raises(DagsterInvalidDefinitionError) as caught:
        dg.Definitions.merge(
            *(dg.Definitions(jobs=[dg.GraphDefinition("one").to_job()]) for _ in range(2))
        ).get_repository_def()
    known = exit_code_and_text(caught.value)
    assert known is not None
    assert known[0] == 2
    assert "'one'" in known[1]


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
    texts = {"wrong für a test": HEALTHY, "healthy": HEALTHY, "windows": ""}
    use_pipelines(tmp_path, monkeypatch, **texts)
    [windows] = tmp_path.rglob("windows/defs.yaml")
    windows.write_text(HEALTHY + "# über\n", encoding="latin-1")
    folder = component.load_defs_folder()
    assert "letters, digits" in folder.broken["wrong für a test"]
    assert "not in UTF-8" in folder.broken["windows"]
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


def raised_from(wrapper: Exception, cause: Exception) -> Exception:
    """Give an error as `raise … from …` leaves it."""
    wrapper.__cause__ = cause
    return wrapper


@pytest.mark.parametrize("wrapper", [StoreUnavailable, InventoryUnavailable, TdxRetryLater])
def test_f12_a_wrong_database_setting_is_told_as_one_by_whatever_wraps_it(
    monkeypatch: pytest.MonkeyPatch, wrapper: type[Exception]
) -> None:
    """The action log, the inventory and the limiter say "cannot be asked", as of a passing fault."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@db.example.edu/tdx")
    wrong = raised_from(wrapper("cannot be asked (no rights)"), MissingRight("no rights"))
    away = raised_from(wrapper("cannot be asked (away)"), DatabaseUnavailable("away"))
    assert exit_code_and_text(wrong) == (2, "DATABASE_URL: cannot be asked (no rights)")
    known = exit_code_and_text(away)
    assert known is not None
    assert known[0] == 1


def test_the_action_log_behind_a_wrong_password_ends_with_exit_2(database_url: str) -> None:
    """The store itself, over a real refusal."""
    wrong = make_url(database_url).set(password="geheim").render_as_string(hide_password=False)
    made = engine(wrong)
    with pytest.raises(StoreUnavailable) as caught:
        PostgresStore(made).rows([1])
    known = exit_code_and_text(caught.value)
    assert known is not None
    assert known[0] == 2
    assert "DATABASE_URL" in known[1]
    assert "geheim" not in known[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nosuch: 1\n", '"nosuch" at the root'),
        ("storage:\n\tpostgres:\n", "line 2"),
        ("storage: {postgres: {postgres_url: {env: NOSUCH}}}\n", "the variable NOSUCH is not set"),
        ("- a\n", "dictionary"),
        ("# \udcfc\n", "utf-8"),
        ("storage: {postgres: {postgres_url: 'postgresql://127.0.0.1:1/x?nosuch=1'}}\n", "PGTZ"),
    ],
)
def test_an_instance_of_dagster_that_cannot_be_opened_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    """Each was a traceback of `process`, after `check` had found nothing."""
    monkeypatch.setenv("PGTZ", "Europe/Vienna")
    (tmp_path / "dagster.yaml").write_text(text, errors="surrogateescape")
    runtime = Runtime("postgresql://u@h/x", "postgresql://u@h/y", tmp_path, is_embedded=False)
    with pytest.raises(SettingsError, match=r"dagster\.yaml says") as caught:
        dagster_instance(runtime)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_warns_of_a_dagster_yaml_that_puts_dotenv_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of Dagster's services and commands of ours would have different settings."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1:1/none")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    use_pipelines(tmp_path, monkeypatch, healthy=HEALTHY)

    def found() -> Finding:
        return next(one for one in run_checks() if one.about == "dagster.yaml")

    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert found().verdict is Verdict.WARNING
    assert "secrets:" in found().text
    (tmp_path / ".env").write_text("TDX_BEID=b\nTDX_USERNAME=u\nTDX_APP_ID=5\n")
    monkeypatch.setenv("TDX_BEID", "other")
    monkeypatch.setenv("TDX_APP_ID", "5")
    monkeypatch.chdir(tmp_path)
    assert not [one for one in run_checks() if one.about == ".env"]
    monkeypatch.setattr(environment, "AT_START", tmp_path / "no proc, as on macOS")
    [dotenv] = [one for one in run_checks() if one.about == ".env"]
    assert (dotenv.verdict, dotenv.text[:9]) == (Verdict.WARNING, "TDX_BEID:")
    (tmp_path / "dagster.yaml").write_text("- a\n")
    assert found().verdict is Verdict.WRONG
    (tmp_path / "dagster.yaml").write_text("storage: [\n")
    assert found().verdict is Verdict.WRONG
    assert "DAGSTER_HOME" in found().text
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    assert found().verdict is Verdict.OK
