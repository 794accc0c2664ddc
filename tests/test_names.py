"""Names and prose of the source are the field's standard words (CONTRIBUTING.md, "Prose"; GLOSSARY.md)."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.documents import source

ROOT: Final = Path(__file__).parents[1]
NOT_OUR_WORDS: Final = re.compile(r"util|manager|handler|helper", re.IGNORECASE)
NOT_IN_PROSE: Final = re.compile(r"\b(?:somebody|anew)\b", re.IGNORECASE)
"""Words that comments and docstrings do without: "a person", "again"."""
IN_BACKTICKS: Final = re.compile(r"`[^`]*`")
RETIRED: Final = re.compile(
    "ground|talk|ways|nights?|places|hearing|anew|early_taps|texted|words|told|acts|sweep_(?:index|stuck|clock|keys)|listening"
    "|floods|configured|loose|bent|crowded|stirred|marked|patience|settle|hurried|beside|spoken|sheet|ordinary"
    "|sorting|strength|asking|typed|orders|second|relay|taken_back|escort|post|texts|letters?|mail|letter_?died|buried|intake"
    "|seen|ousted|said|unsaid|edge|house|away|wire|reading|keyring|delivery|upkeep|stuck|way_?down|case|damage|act"
    "|tell|receipt|sealed|held|voice|unheard|tapped",
    re.IGNORECASE,
)
"""Names of modules and classes that engineers of Matrix or Python misread; each has its standard word in GLOSSARY.md."""
TABLES: Final = "bridge/tables/"
"""Here a module has the name of its table."""


def class_files() -> dict[str, set[str]]:
    """Return the files that define each class, by its name."""
    files: defaultdict[str, set[str]] = defaultdict(set)
    for file, tree in source().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                files[node.name].add(file)
    return files


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment and docstring of a module's text, without what stands between backticks."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, IN_BACKTICKS.sub("", node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], IN_BACKTICKS.sub("", token.string)


def test_names_are_our_words() -> None:
    """No module, class or function of ours is called a helper, handler, manager or utility (GLOSSARY.md)."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for tree in source().values() for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [name for name in (*names, *source()) if NOT_OUR_WORDS.search(name)] == []


def test_names_that_are_misread_do_not_come_back() -> None:
    """No module and no class has a name that was replaced by the field's own word."""
    modules = {Path(file).stem: file for file in source() if not file.startswith(TABLES)}
    assert {file for name, file in modules.items() if RETIRED.fullmatch(name)} == set()
    assert {name for name in class_files() if RETIRED.fullmatch(name)} == set()


def test_prose_is_plain() -> None:
    """Comments and docstrings of the source have none of the words that are not ours."""
    texts = {file: (ROOT / file).read_text(encoding="utf-8") for file in source()}
    wrong = [
        f"{file}:{line}"
        for file, text in texts.items()
        if NOT_IN_PROSE.search(text)
        for line, said in prose(text)
        if NOT_IN_PROSE.search(said)
    ]
    assert wrong == []


def test_prose_is_found() -> None:
    """A comment and a docstring are prose; a string and what stands between backticks are not."""
    said = [said for _, said in prose('"""Of `anew` alone."""\nwords = "somebody"  # Somebody waits.\n')]
    assert said == ["Of  alone.", "# Somebody waits."]
