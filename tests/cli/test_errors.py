"""What people are told when a pipeline's file is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tdx_dagster import component
from tdx_dagster.cli.errors import SETTINGS, exit_code_and_text

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
    ],
)
def test_a_wrong_file_is_told_with_its_place_the_field_and_the_nearest_name(
    file: Path, text: str, words: list[str]
) -> None:
    """A sentence that ends in the fix, not a tree of components (DESIGN 7)."""
    file.write_text(text)
    with pytest.raises(Exception) as caught:  # noqa: PT011  Dagster has many kinds; the text counts
        component.load_pipelines()
    known = exit_code_and_text(caught.value)  # type: ignore[arg-type]
    assert known is not None
    assert known[0] == SETTINGS
    for word in words:
        assert word in known[1]
