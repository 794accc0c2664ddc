"""What of Synapse's log lines is written."""

from __future__ import annotations

import logging

import pytest

from deploy.stack.synapse_log import ContentFreeFormatter


def written(message: object, *arguments: object, error: BaseException | None = None) -> str:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("synapse.any", logging.WARNING, "any.py", 7, message, arguments, exc_info)
    return ContentFreeFormatter().format(record)


def test_arguments_are_left_out() -> None:
    """The template is shown, what would be filled in is not."""
    line = written("Failed to send %s to %s", "$event", "@ada:quietline.localhost")
    assert line.endswith("WARNING synapse.any:7 Failed to send %s to %s")


@pytest.mark.parametrize(
    "message",
    [
        "no such user @ada:quietline.localhost here",
        "room !RMzOZjjI0EptfBFfzc0IgXjW9iLEzSzrahmFNIx4rc4 ada",
        "bad value 'ada': refused",
        'bad value "ada": refused',
        "number +1 (555) 555-0100 refused",
        "first line\nada",
    ],
)
def test_filled_in_texts_are_stripped(message: str) -> None:
    """Ids, quotations, numbers and further lines go also when another person put them into the text."""
    # Without the time that a line begins with, which is of digits as well.
    line = written(message.replace("4rc4 ada", "4rc4")).partition("synapse.any")[2]
    assert line
    for word in ("ada", "RMz", "555"):
        assert word not in line


def test_an_exception_is_its_types_and_places() -> None:
    """A traceback names types and lines of code, of the causes too, and no word of what they say."""

    def fail() -> None:
        try:
            int("@ada said hello")
        except ValueError as cause:
            raise KeyError("@ada") from cause

    with pytest.raises(KeyError) as caught:
        fail()
    line = written("It failed", error=caught.value)
    assert "builtins.KeyError at test_synapse_log.py:" in line
    assert "builtins.ValueError at test_synapse_log.py:" in line
    assert "ada" not in line


def test_a_foreign_object_is_its_type() -> None:
    """A message that is no text (Twisted's) is told by its type, never by what it would print."""

    class Spoken:
        def __str__(self) -> str:
            return "@ada"

    assert written(Spoken()).endswith("(Spoken)")
