"""`new`: write an action or a pipeline that works, with its test."""

import re
from pathlib import Path

import click

from tdx_dagster.component import PIPELINE_NAME, defs_module
from tdx_dagster.settings import SettingsError

ACTION = '''"""The action `{name}`; docs/writing-an-action.md says what it gets and gives."""

from typing import ClassVar

from tdx_dagster.actions import Action, ActionContext, FeedPost, Performed


class {kind}(Action):
    """Post a note that the desk has seen the ticket."""

    action_type: ClassVar[str] = "{name}"
    templated: ClassVar[tuple[str, ...]] = ("text",)

    text: str = "The desk has seen your ticket, {{{{ requestor.first_name }}}}."
    """What is posted."""

    def perform(self, context: ActionContext) -> Performed:
        """Post it, once."""
        post = FeedPost(context.render(self.text), is_private=True)
        evidence = context.write.post(f"feed:{{self.identity().action_id}}", post)
        return Performed("Note posted", summary_lines=["Posted a note"], evidence=evidence)
'''

ACTION_TEST = '''"""The action `{name}` on a simulated TDX."""

from pathlib import Path

from {name} import {kind}
from tdx_dagster.testing import Desk, Result, Simulator, sample_state, temporary_database


def test_it_is_done_once_although_the_answer_was_lost(tmp_path: Path) -> None:
    with (
        temporary_database(tmp_path) as database,
        Simulator(sample_state(tickets=1, assets=5)) as tdx,
    ):
        [ticket] = tdx.state.truths
        desk = Desk.over(tdx, database, {kind}())
        tdx.faults.add("POST", "/{{app}}/tickets/{{id}}/feed", on=1, drop="after")
        outcomes = [*desk.outcomes(ticket), *desk.outcomes(ticket)]
        assert outcomes[-1].result is Result.COMPLETED
        posted = [entry["Body"] for entry in tdx.state.feed_of_ticket(ticket)]
        assert sum("The desk has seen" in text for text in posted) == 1
'''

PIPELINE = """type: tdx_dagster.TicketPipeline
attributes:
  # report_id: 67890   # left out: DAEMON_REPORT_ID
  actions:
    - type: add_asset
      version: v1
    - type: comment
      name: ask
      version: v1
      when: not assets_found and not people_wrote
      comment_text: "Hello {{ requestor.first_name }}, what is the name of your computer?"
      summary_line: Asked for the name of the computer
    - type: summary_comment
      version: v1
"""

PIPELINE_TEST = '''"""The pipeline `{name}` on a simulated TDX."""

from pathlib import Path

from tdx_dagster.testing import (
    Desk,
    Result,
    Simulator,
    actions_of,
    sample_state,
    temporary_database,
)

FILE = Path({file!r})


def test_every_ticket_goes_through_all_actions_and_nothing_is_done_twice(tmp_path: Path) -> None:
    with (
        temporary_database(tmp_path) as database,
        Simulator(sample_state(tickets=5, assets=20)) as tdx,
    ):
        desk = Desk.over(tdx, database, *actions_of(FILE))
        tickets = list(tdx.state.truths)
        outcomes = desk.outcomes(*tickets)
        assert {{one.result for one in outcomes}} <= {{Result.COMPLETED, Result.SKIPPED}}
        before = {{ticket: len(tdx.state.feed_of_ticket(ticket)) for ticket in tickets}}
        desk.run(*tickets)
        assert before == {{ticket: len(tdx.state.feed_of_ticket(ticket)) for ticket in tickets}}
'''


@click.group()
def new() -> None:
    """Write an action or a pipeline that works, with its test. Nothing is overwritten."""


@new.command()
@click.argument("name")
def action(*, name: str) -> None:
    """Write NAME.py and test_NAME.py in the folder you stand in."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise SettingsError(
            f"{name!r} cannot be an action's name: use lower-case letters, digits and underscores."
        )
    kind = "".join(part.title() for part in name.split("_"))
    _write(
        {
            Path(f"{name}.py"): ACTION.format(name=name, kind=kind),
            Path(f"test_{name}.py"): ACTION_TEST.format(name=name, kind=kind),
        }
    )
    click.echo(f"Name it in a defs.yaml as `type: {name}.{kind}`. Try it: pytest test_{name}.py")


@new.command()
@click.argument("name")
def pipeline(*, name: str) -> None:
    """Write defs/NAME/defs.yaml in the project, and test_NAME.py in the folder you stand in."""
    if not PIPELINE_NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot be a pipeline's name: use letters, digits and underscores."
        )
    file = Path(next(iter(defs_module().__path__))) / name / "defs.yaml"
    _write(
        {
            file: PIPELINE,
            Path(f"test_{name}.py"): PIPELINE_TEST.format(name=name, file=_shown(file)),
        }
    )
    click.echo(
        f"Say what it would do: tdx-dagster plan --pipeline {name}. Try it: pytest test_{name}.py"
    )


def _shown(file: Path) -> str:
    """Give a path that holds where the project is moved, if it is below the folder one stands in."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


def _write(files: dict[Path, str]) -> None:
    """Write files, all or none.

    Raises:
        SettingsError: One exists.
    """
    for file in files:
        if file.exists():
            raise SettingsError(f"{file} exists, and nothing was written; choose another name.")
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"wrote {file}")
