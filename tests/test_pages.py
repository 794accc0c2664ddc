"""Links and paths in the Markdown pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FENCE: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)\s]*)?\)")
PATH: Final = re.compile(r"`((?:bot|bridge|deploy|policies|tests)/[\w./-]+)(?:::\w+)?`")


def test_links_and_paths_lead_somewhere() -> None:
    """Each relative link, and each path of ours between backticks, is a file or folder."""
    missing = []
    pages = [*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "policies").rglob("*.md")]
    assert len(pages) > 10
    for page in pages:
        if page.name == "CHANGELOG.md":  # tells of what is no longer there
            continue
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        targets = [page.parent / target for target in LINK.findall(text)]
        targets += [ROOT / path for path in PATH.findall(text)]
        missing += [
            f"{page.relative_to(ROOT)}: {target}"
            for target in targets
            if not target.exists() and not Path(f"{target}.py").is_file()
        ]
    assert missing == []
