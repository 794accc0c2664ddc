"""The verb `quietline init`.

Rule of this module: as in `deploy.cli.main`; exit codes are 0 everything is written, 2 nothing is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.cli.outcome import exit_on_errors, print_lines

if TYPE_CHECKING:
    from deploy.init.prompts import Question


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--answers",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML file of mode 0600: deploy/examples/init/ has one. Without it, twelve questions at most are asked.",
)
@click.option("--dry-run", is_flag=True, help="Print the legal wordings for counsel; write nothing.")
def init(directory: Path, answers: Path | None, dry_run: bool) -> None:
    """Make the directory of a line from answers: configuration, pack, secrets, hand-outs, proxy, units and a checklist.

    DIR must not exist. Exit code 0 everything is written, 2 nothing is, and every problem is told at once. Then
    `quietline up --data DIR` runs the line, or `quietline bridge` beside a homeserver of the agency's own.
    """
    from deploy.init.agency_pack import legal_wordings
    from deploy.init.answers import read_answers
    from deploy.init.line_directory import init as make
    from deploy.init.line_directory import require_free

    os.umask(0o077)
    with exit_on_errors():
        if not dry_run:
            require_free(directory)  # before the first question
        line_answers = read_answers(answers) if answers is not None else _ask_on_terminal()
        pack = make(directory, line_answers, dry_run=dry_run)
    if dry_run:
        print_lines(legal_wordings(pack))
    else:
        click.echo(f"{directory}: written. {directory / 'CHECKLIST.md'} says what is left to do.")


def _ask_on_terminal() -> dict[str, Any]:
    """Ask a person. A wrong answer is asked again at once; without a terminal it is a usage error."""
    from rich.console import Console
    from rich.prompt import Prompt

    from deploy.init.prompts import ask_answers

    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: give --answers FILE.")
    console = Console(stderr=True, highlight=False)

    def ask(question: Question) -> str:
        console.print(f"\n[dim]{question.why}[/dim]")
        while True:
            answer = Prompt.ask(
                question.text,
                console=console,
                choices=list(question.choices) or None,
                default=question.default if question.default is not None else "",
                show_default=bool(question.default),
                password=question.secret,
            )
            if (problem := question.problem(answer)) is None:
                return answer
            console.print(f"  {problem}")

    return ask_answers(ask)
