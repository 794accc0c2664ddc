"""What every reader of files that people write raises: all that is wrong at once, for a person to put right."""

from __future__ import annotations


class ProblemsError(Exception):
    """It cannot be used. `problems` are sentences, each with its file, path or key; none shows a value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
