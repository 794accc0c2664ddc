"""The questions on a terminal: few, each with its reason, and answers like those of a file."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.cli.main import cli
from deploy.init.answers import check_answers
from deploy.init.prompts import Question, ask_answers
from tests.deploy.processes import ROOT, eventually

TYPED = {
    "Server name": "text.agency.org",
    "Public URL": "https://text.agency.org",
    "The line's number": "+15555550100",
    "Carrier": "kannel",
    "Its keys": "username=quietline password=hush plain_numbers=international region=US api_base=http://127.0.0.1:13013",
    "Supervisors": "mira",
    "Advocates": "noor pia",
    "Country or state": "ca",
    "Time zone and hours": "America/Los_Angeles mon-fri 09:00-17:00",
    "Number to call": "+15038675309",
    "Backups": "/srv/backups /etc/quietline/passphrase",
}


def person(questions: list[Question], **typed: str) -> Callable[[Question], str]:
    """Answer as a person who takes what is offered wherever it is offered and nothing else is said."""

    def ask(question: Question) -> str:
        questions.append(question)
        answer: str | None = {**TYPED, **typed}.get(question.text, question.default)
        assert answer is not None, f"{question.text}: nothing stands without an answer"
        assert question.problem(answer) is None
        return answer

    return ask


@pytest.mark.parametrize("mode", ["embedded", "join", "rehearsal"])
def test_twelve_questions_at_most_lead_to_whole_answers(mode: str) -> None:
    """Each says why it is asked, and what was typed will do as a file of answers would."""
    questions: list[Question] = []
    answers = check_answers(ask_answers(person(questions, **{"Which homeserver": mode})))
    assert len(questions) <= 12
    assert [question.text for question in questions if not question.why] == []
    assert [staff.role for staff in answers.staff] == ["supervisor", "advocate", "advocate"]
    assert (answers.agency.state, answers.agency.languages) == ("CA", ["en", "es"])
    assert answers.agency.hours == {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
    if mode != "rehearsal":
        assert answers.carrier is not None
        assert (answers.carrier["password"], len(answers.carrier["path_secret"])) == ("hush", 64)
    assert (answers.backup is not None) == (mode == "embedded")


def test_a_wrong_answer_is_said_at_once() -> None:
    """An address, capitals, a port, nothing at all: each with a sentence, and without what was typed."""
    questions: list[Question] = []
    ask_answers(person(questions))
    by_text = {question.text: question for question in questions}
    for text, typed in (
        ("Server name", "192.0.2.7"),
        ("Server name", "Text.agency.org"),
        ("Server name", "text.agency.org:8448"),
        ("Server name", " "),
        ("Public URL", "http://text.agency.org"),
        ("The line's number", "5550100"),
    ):
        problem = by_text[text].problem(typed)
        assert problem
        assert not typed.strip() or typed not in problem


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    """A script that gives no answers hears so, and nothing is written."""
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "line")])
    assert (result.exit_code, "--answers FILE" in result.stderr) == (2, True)
    assert not (tmp_path / "line").exists()


def test_a_terminal_is_asked_and_a_secret_is_not_shown(tmp_path: Path) -> None:
    """As a person at a terminal: a wrong server name is asked for again, what is offered is taken, the line is there."""
    lines = ["embedded", "Text.agency.org", *TYPED.values()]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "deploy", "init", str(tmp_path / "line")]
    environment: dict[str, Any] = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            for line in lines:
                shown += _until(ours, b": ")
                if line == TYPED["Its keys"]:
                    eventually(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO)
                os.write(ours, f"{line}\n".encode())
            while chunk := _read(ours):
                shown += chunk
        finally:
            os.close(ours)
    text = shown.decode()
    assert process.returncode == 0, text
    assert "must not have capital letters" in text
    assert "password=hush" not in text
    assert (tmp_path / "line" / "secrets" / "carrier_password").read_text() == "hush\n"


def _until(terminal: int, end: bytes) -> bytes:
    """Read until the prompt stands there, which nothing follows."""
    shown = b""
    while not shown.endswith(end):
        chunk = _read(terminal)
        assert chunk, shown
        shown += chunk
    return shown


def _read(terminal: int) -> bytes:
    readable, _, _ = select.select([terminal], [], [], 60)
    assert readable, "the program neither asks nor ends"
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""
