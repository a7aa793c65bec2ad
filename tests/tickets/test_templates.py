"""Conditions and templates: what can be named, what is refused when a pipeline loads, how values are shown."""

from typing import Any

import pytest

from tdx_dagster.tickets.actions.comment import Comment
from tdx_dagster.tickets.actions.facts import NAMES
from tdx_dagster.tickets.actions.registry import BadAction, read_actions
from tdx_dagster.tickets.actions.templates import BadTemplate, check, holds, pieces, render

COMMENT = {"type": "comment", "comment_text": "Hi"}


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"when": "assets_aded > 0"}, "Did you mean 'assets_added'?"),
        ({"when": "ticket.titel == 'x'"}, "Did you mean 'title'?"),
        ({"when": "ticket['titel'] == 'x'"}, "Did you mean 'title'?"),
        ({"when": "assets_added >"}, "cannot be read"),
        ({"when": "results.ad_asset.is_done"}, "no action before it has that name. Did you mean"),
        ({"when": "results.add_asset.atached"}, "Did you mean 'attached'?"),
        ({"comment_text": "Hello {{ requestor.nme }}"}, "Did you mean 'name'?"),
        ({"comment_text": "Hello {{ requestr }}"}, "Did you mean 'requestor'?"),
        ({"comment_text": "Hello {{ requestor"}, "cannot be read"),
        ({"summary_line": "{{ reslt.message }}"}, "Did you mean 'result'?"),
        ({"comment_text": "{{ result.message }}"}, "'result', which there is not"),
    ],
)
def test_what_there_is_not_is_refused_when_the_pipeline_loads(
    entry: dict[str, Any], fault: str
) -> None:
    with pytest.raises(BadAction, match="action 2") as raised:
        read_actions([{"type": "add_asset"}, COMMENT | entry], "defs/x/defs.yaml")
    assert fault in str(raised.value)


def test_what_there_is_can_be_named() -> None:
    first, second = read_actions(
        [
            {"type": "add_asset"},
            COMMENT
            | {
                "when": "results.add_asset.attached and results['add_asset'].is_done and not people_wrote",
                "comment_text": "{{ ticket.link }} {{ computers | map(attribute='name') | join(', ') }}",
                "summary_line": "Told {{ requestor.first_name }}: {{ result.message }} {{ values.x }}",
            },
        ],
        "defs/x/defs.yaml",
    )
    assert (first.when, second.label) == ("", "comment")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ ticket.__class__ }}",
        "{{ values.clear() }}",
        "{{ lipsum.__globals__ }}",
        "{% include 'x' %}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(text: str) -> None:
    def load_and_fill_in() -> str:
        check(text, NAMES)
        return render(text, {"ticket": NAMES, "values": {"x": 1}})

    with pytest.raises(BadTemplate):
        load_and_fill_in()


def test_values_are_escaped_where_the_text_is_rich() -> None:
    values = {"name": "<b>Ann</b> & Bob"}
    assert render("<p>{{ name }}</p>", values, is_rich=True) == (
        "<p>&lt;b&gt;Ann&lt;/b&gt; &amp; Bob</p>"
    )
    assert render("{{ name }}\n", values) == "<b>Ann</b> & Bob\n"


def test_a_text_without_marks_stays_as_it_is() -> None:
    assert render("100 % of {these} & <those>", {}, is_rich=True) == "100 % of {these} & <those>"


def test_a_condition_that_fails_on_a_ticket_says_so() -> None:
    assert holds("a > 1 and b == 'x'", {"a": 2, "b": "x"})
    with pytest.raises(BadTemplate, match="when: 'a > 1' cannot be evaluated"):
        holds("a > 1", {"a": None})
    with pytest.raises(BadTemplate, match="no attribute"):
        holds("a.b", {"a": {}})


def test_the_identity_is_that_of_the_source_and_the_condition_is_no_part_of_it() -> None:
    plain = Comment(comment_text="Hello {{ requestor.name }}")
    other = Comment(comment_text="Hello {{ requestor.email }}")
    guarded = Comment(
        comment_text="Hello {{ requestor.name }}", when="assets_added", summary_line="Said hello"
    )
    assert plain.identity().action_id == guarded.identity().action_id
    assert plain.identity().action_id != other.identity().action_id


def test_a_template_is_known_by_the_words_between_its_marks() -> None:
    """Discovery takes them out of what people quote."""
    text = "Hello {{ requestor.name }}, we have found your computer.\n{% if x %}ok{% endif %}"
    assert list(pieces(text)) == [", we have found your computer."]
    assert list(pieces("Hi")) == ["Hi"]
