"""What the agency may say and must do: packs as data, their schema and loader, segmentation. No I/O but reading a pack."""

from __future__ import annotations


class ProblemsError(Exception):
    """What people wrote cannot be used. `problems` are sentences, each with its file, path or key.

    All that is wrong is told at once, and none shows a value.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
