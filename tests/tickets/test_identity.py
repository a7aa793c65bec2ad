"""Action ids: those in people's logs stay valid, and new settings do not disturb them."""

from pathlib import Path
from typing import ClassVar

import pytest

from tdx_dagster.tickets.actions.action import Action
from tdx_dagster.tickets.actions.add_asset import AddAsset
from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.context import ActionContext
from tdx_dagster.tickets.actions.outcome import Performed
from tdx_dagster.tickets.actions.registry import BadAction, read_action, read_actions
from tdx_dagster.tickets.actions.summary_comment import SummaryComment


class Assign(Action):
    """A custom action for the tests."""

    action_type: ClassVar[str] = "assign"
    group_id: int
    note: str = "hello"

    def perform(self, context: ActionContext) -> Performed:
        """Do nothing."""
        del context
        return Performed("assigned")


def test_d11_the_published_comment_has_its_published_id() -> None:
    """Another way of hashing would comment on every old ticket again."""
    assert Comment(comment_text="Hello World").identity().action_id == "comment:054200481667:v1"


def test_the_order_of_addresses_and_their_spelling_out_do_not_matter() -> None:
    """The older daemon sorted them before hashing."""
    one = Comment(comment_text="x", notify=("b@example.edu", "a@example.edu"))
    other = Comment(comment_text="x", notify=("a@example.edu", "b@example.edu"))
    assert one.identity() == other.identity()


def test_add_asset_hashes_what_the_older_daemon_hashed_with_a_database() -> None:
    """The text that was hashed is spelled out here, so that nothing can slip into it."""
    text = (
        "[('active_status_only', True), ('add_summary_comment', True), ('computer_form_id', 2448), "
        "('has_database', True), ('max_assets_to_add', 10), ('skip_if_requestor_asset_exists', True)]"
    )
    assert str(sorted(AddAsset().hashed_settings().items())) == text


def test_the_summary_hashes_its_five_settings() -> None:
    """The same for the summary."""
    assert set(SummaryComment().hashed_settings()) == {
        "comment_prefix",
        "is_private",
        "is_rich_html",
        "skip_if_empty",
        "separator",
    }


@pytest.mark.parametrize(
    ("kind", "settings"),
    [(Comment, {"comment_text": "x"}), (AddAsset, {}), (SummaryComment, {})],
)
def test_a_setting_that_did_not_exist_before_enters_only_when_not_at_its_default(
    kind: type[Action], settings: dict[str, str]
) -> None:
    """Name, failure policy and every newer setting at its default leave the id alone."""
    plain = kind(**settings).identity().action_id
    named = kind(**settings, name="other", continue_on_failure=True)
    assert named.identity().action_id == plain
    assert named.identity().name == "other"


def test_a_custom_actions_new_setting_with_a_default_leaves_its_id_alone() -> None:
    """A package may grow a setting without its users acting again on old tickets."""
    assert Assign(group_id=5).hashed_settings() == {"group_id": 5}
    assert Assign(group_id=5, note="bye").hashed_settings() == {"group_id": 5, "note": "bye"}
    assert Assign(group_id=5, version="v3").identity().action_id.endswith(":v3")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"type": "add_asset", "max_asset": 3},
            ["max_asset'", "Did you mean 'max_assets_to_add'?"],
        ),
        ({"type": "add_aset"}, ["no action type 'add_aset'", "Did you mean 'add_asset'?"]),
        ({"type": "comment"}, ["'comment_text' is missing"]),
        ({"type": "comment", "comment_text": " "}, ["comment_text, a new_status_id, or both"]),
        ({"type": "add_asset", "max_assets_to_add": "many"}, ["max_assets_to_add = 'many'"]),
        ({"type": "nowhere.Action"}, ["nowhere.Action", "cannot be imported"]),
        ({"type": "json.JSONDecoder"}, ["no subclass"]),
        (
            {"version": "v2"},
            ["no 'type'", "add_asset, comment, update_ticket, "],
        ),
        ({"type": "add_asset", "version": "a:b"}, ["version = 'a:b'"]),
        ("add_asset", ["must be a mapping"]),
    ],
)
def test_a_wrong_action_is_refused_with_its_place_its_field_and_the_nearest_name(
    entry: object, words: list[str]
) -> None:
    """People who write YAML get a sentence, not a traceback."""
    with pytest.raises(BadAction) as caught:
        read_actions([{"type": "add_asset", "name": "first"}, entry], "defs/x/defs.yaml")  # type: ignore[list-item]
    assert "defs/x/defs.yaml: action 2" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_two_actions_of_one_name_are_refused_and_another_name_helps() -> None:
    """Two comments in one pipeline are two actions only if people can tell them apart."""
    twice = [{"type": "comment", "comment_text": text} for text in ("a", "b")]
    with pytest.raises(BadAction, match="name 'comment' of action 1"):
        read_actions(twice, "defs.yaml")
    assert len(read_actions([twice[0], twice[1] | {"name": "second"}], "defs.yaml")) == 2


def test_a_custom_action_is_read_by_its_dotted_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any importable module will do."""
    (tmp_path / "desk_actions.py").write_text(
        "from tdx_dagster.tickets.actions.action import Action\n"
        "class Assign(Action):\n"
        "    group_id: int\n"
        "    def perform(self, work): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    action = read_action({"type": "desk_actions.Assign", "group_id": 5}, "defs.yaml: action 1")
    assert action.label == "Assign"
    assert action.identity().action_id.startswith("Assign:")
