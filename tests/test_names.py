"""Names and prose of the source are the field's standard words (CONTRIBUTING.md, "Prose"; GLOSSARY.md)."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from tests.documents import FOLDERS, nodes_of, source

ROOT: Final = Path(__file__).parents[1]
PARTICIPLES: Final = re.compile(
    "told|made|asked|gone|taken|given|kept|held|begun|left|found|seen|sent|ended|answered|wanted|read"
)
"""Words that no variable or parameter has as its name: a name is a noun for the value, or a predicate for a flag."""
WITHOUT_PARTICIPLES: Final = ("policies", "bot", "bridge", "deploy", "tests")
"""The folders that this rule covers."""
VERBS: Final = frozenset({"read"})
"""Those that may be a function's name, or of a field that holds one, as the infinitive."""
WRITTEN_FIELDS: Final = frozenset(
    {
        "DrillReported.sent",
        "HeldText.told",
        "HoldSigns.answered",
        "Sending.held",
        "Sending.sent",
        "CalendarState.told",
        "CheckResult.asked",
    }
)
"""Fields that are stored, or are keys of JSON that others read."""
NOT_OUR_WORDS: Final = re.compile(r"util|manager|handler|helper", re.IGNORECASE)
NOT_IN_PROSE: Final = re.compile(r"\b(?:somebody|anew)\b", re.IGNORECASE)
"""Words that comments and docstrings avoid: use "a person", "again"."""
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
METAPHORS: Final = re.compile(r"(?:^|_| )(?:bury|buried|sweep\w*|swept|upkeep|nerves?|judgement|way_down)(?:_| |$)")
"""Metaphors that no function or task name contains; the words are dead letter, expiry, key upload, bridge, policy,
erasure."""
METAPHORS_IN_PROSE: Final = re.compile(
    r"\bways?\s+down\b|\b(?:every|the|a)\s+case\s+(?:down|was\s+about|began)|\b(?:swept|sweeps?|sweeping)\b|\bupkeep\b"
    r"|\bnerves\b|\bthe\s+judgement\b|\b(?:Matrix|the)\s+edge\b|\bhouse's\s+(?:word|text)s?\b"
    r"|\b(?:rest|nothing|sentence)\s+of\s+the\s+house\b|\bbur(?:y|ies|ied|ial)\b"
    r"|\bpuppet's\s+letters\b|\bkey\s+counts\s+and\s+letters\b|\bother\s+letter\s+only\b",
    re.IGNORECASE,
)
"""Metaphors with a standard word in GLOSSARY.md: erasure job, expiry, dead letter, to-device message."""
VOICE: Final = re.compile(r"voice|\bvoz\b|\bvoces\b", re.IGNORECASE)
VOICE_OF_A_CALL: Final = re.compile(
    r"voice[\s_]number|by(?: a)?[\s_]voice|voice and texts|(?:audio|voice) message|phone voice llamar"
    r"|urgent_gives_them_the_voice|número de voz|(?:mensaje|nota) de voz|por\svoz|tel[eé]fono voz",
    re.IGNORECASE,
)
"""Phrases in which "voice" means a telephone call, its only meaning (GLOSSARY.md has "texter puppet", "assignee")."""
VOICE_KEY: Final = re.compile(r"""["'`]voice["'`]|\bvoice: str$|\.voice\b|\bvoice=""", re.MULTILINE)
"""The key of `ready.json` and `bridge.json`, the fields with its value, and the texter puppet's schema in PostgreSQL."""
VOICE_STORED: Final = re.compile(r"\bvoice\.db\b|QLVOICE")
"""The texter puppet's database and its device ids: every existing line has them under these names."""
VOICE_OF_PHONES: Final = (
    "policies/packs/base/words/",
    "bot/language/common_words.py",
    "tests/bot/talk_corpus.yaml",
    "tests/bridge/carriers/published/",
)
"""Files with words that people text, and with a carrier's examples."""
TEXT: Final = frozenset({".py", ".md", ".yaml", ".json", ".tpl", ".txt", ".toml", ".html", ".js", ".mjs"})
HISTORY: Final = "CHANGELOG.md"
HOMONYMS: Final = {
    "Settings": "of each carrier, of the rehearsal carrier and of a pack: always behind the name of its module",
    "MemberNamed": "the Matrix event, and what a decision hears of it",
    "MemberReturned": "the Matrix event, and what a decision hears of it",
    "DevicesReturned": "the Matrix event, and what a decision hears of it",
    "IdentityChanged": "the Matrix event, and what a decision hears of it",
    "IdentityConfirmed": "the Matrix event, and what a decision hears of it",
    "RoomLost": "the Matrix event, and what a decision hears of it",
}
"""Public classes that share a name, and what each of them is; a new duplicate must be renamed."""
TABLES: Final = "bridge/tables/"
"""The folder where a module has the name of its table."""


def class_files() -> dict[str, set[str]]:
    """Return the files that define each class, by its name."""
    files: defaultdict[str, set[str]] = defaultdict(set)
    for file, tree in source().items():
        for node in nodes_of(tree):
            if isinstance(node, ast.ClassDef):
                files[node.name].add(file)
    return files


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment and docstring of a module, without the parts between backticks."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, IN_BACKTICKS.sub("", node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], IN_BACKTICKS.sub("", token.string)


def test_names_are_our_words() -> None:
    """No module, class or function of ours is called a helper, handler, manager or utility (GLOSSARY.md)."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for tree in source().values() for node in nodes_of(tree) if isinstance(node, kinds)]
    assert [name for name in (*names, *source()) if NOT_OUR_WORDS.search(name)] == []


def variables(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of each variable and parameter.

    Names that callers or stored data use are left out: fields, and keyword-only parameters of public functions.
    """
    nodes = tuple(nodes_of(tree))
    functions = (node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    interface = {id(each) for node in functions if not node.name.startswith("_") for each in node.args.kwonlyargs}
    bodies = (part for node in nodes if isinstance(node, ast.ClassDef) for part in node.body)
    interface |= {id(part.target) for part in bodies if isinstance(part, ast.AnnAssign)}
    for node in nodes:
        name: str | None = None
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(asname=name):
                pass
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                pass
        if name is not None and id(node) not in interface:
            yield getattr(node, "lineno", 0), name


def modules_of_tests() -> Iterator[tuple[str, ast.Module]]:
    """Yield path and syntax tree of every module of the tests, one after the other: none is cached."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_variables_are_called_by_nouns() -> None:
    """No variable and no parameter has a participle as its name, because that does not say what the value is."""
    assert [
        f"{file}:{line}: {name}"
        for file, tree in chain(source().items(), modules_of_tests())
        if file.startswith(WITHOUT_PARTICIPLES)
        for line, name in variables(tree)
        if PARTICIPLES.fullmatch(name)
    ] == []


def attributes(tree: ast.AST) -> Iterator[str]:
    """Yield the name of each function and attribute, without underscores; a field has its class before it."""
    for node in nodes_of(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name.strip("_")
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name.strip("_")
            case ast.ClassDef(name=owner, body=body):
                targets = (ast.unparse(part.target).strip("_") for part in body if isinstance(part, ast.AnnAssign))
                yield from (f"{owner}.{name}" for name in targets)


def test_functions_and_attributes_are_not_called_by_participles() -> None:
    """A function says what it does or returns, an attribute what its value is; fields that are stored keep their names."""
    trees = {file: tree for file, tree in source().items() if file.startswith(WITHOUT_PARTICIPLES)}
    last = {name: name.rpartition(".")[2] for tree in trees.values() for name in attributes(tree)}
    assert {name for name in last if PARTICIPLES.fullmatch(last[name]) and last[name] not in VERBS} == WRITTEN_FIELDS


def test_an_attribute_is_found() -> None:
    """Functions, fields and attributes of `self` are found, with or without underscores."""
    text = "class Text:\n    held: bool\n    def _told(self):\n        self.__sent = 1\n"
    assert list(attributes(ast.parse(text))) == ["Text.held", "told", "sent"]


def test_a_variable_is_found() -> None:
    """Every kind of binding is found, also at the module's top; fields and keywords of an interface are not."""
    text = """
class Text:
    held: bool = False
    def read(self, told, *, taken=()):
        with told as sent, taken: pass
        return [left for left in told if (kept := left)]
def _private(*, given):
    import wanted as asked
    try: made, *gone = given
    except ValueError as seen: pass
    match made:
        case [begun, *ended]: pass
found = answered = 1
"""
    names = {name for _, name in variables(ast.parse(text))}
    assert names == {"self", *PARTICIPLES.pattern.split("|")} - {"held", "read", "taken", "wanted"}


def test_names_that_are_misread_do_not_come_back() -> None:
    """No module and no class has a name that was replaced by a standard word."""
    modules = {Path(file).stem: file for file in source() if not file.startswith(TABLES)}
    assert {file for name, file in modules.items() if RETIRED.fullmatch(name)} == set()
    assert {name for name in class_files() if RETIRED.fullmatch(name)} == set()


def test_one_name_is_one_class() -> None:
    """No two public classes have the same name, except those listed with their meanings."""
    assert {name for name, files in class_files().items() if len(files) > 1 and not name.startswith("_")} == HOMONYMS.keys()


def task_names() -> Iterator[str]:
    """Yield the names of asyncio's tasks and of background loops."""
    for tree in source().values():
        for node in nodes_of(tree):
            if isinstance(node, ast.Call):
                named = (
                    [each.value for each in node.keywords if each.arg == "name"] if "task" in ast.unparse(node.func) else []
                )
                named += node.args[:1] if ast.unparse(node.func) == "BackgroundLoop" else []
                yield from (each.value for each in named if isinstance(each, ast.Constant) and isinstance(each.value, str))


def test_functions_and_tasks_have_plain_names() -> None:
    """No function and no background task has a replaced metaphor as its name."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = {node.name for tree in source().values() for node in nodes_of(tree) if isinstance(node, kinds)}
    tasks = set(task_names())
    assert {"policy sync", "puppet sync", "expiry", "key upload"} <= tasks
    assert [name for name in functions | tasks if METAPHORS.search(name)] == []


def test_metaphors_do_not_come_back() -> None:
    """No comment, docstring or page uses a metaphor for which there is a standard word."""
    wrong = list[str]()
    for file, text in texts():
        if not file.startswith("tests/") and METAPHORS_IN_PROSE.search(text):
            said = (text,) if file.endswith(".md") else (said for _, said in prose(text)) if file.endswith(".py") else ()
            wrong += [f"{file}: {match[0]}" for part in said for match in METAPHORS_IN_PROSE.finditer(part)]
    assert wrong == []


def test_a_metaphor_is_found() -> None:
    """Former metaphors are found, in names and in prose; the same words with another meaning are not."""
    assert all(METAPHORS.search(name) for name in ("bury", "_sweep", "way_down", "upkeep", "until_buried"))
    assert not any(METAPHORS.search(name) for name in ("dead_letter", "sync_loop", "key_upload", "two_ways"))
    were = (
        "Walks every case down.",
        "on its\nway down",
        "Erasure and sweep",
        "The Matrix edge",
        "the house's word",
        "The nerves",
    )
    assert all(METAPHORS_IN_PROSE.search(text) for text in were)
    assert not any(
        METAPHORS_IN_PROSE.search(text) for text in ("in the house with you", "two letters of a word", "in that case")
    )


def test_prose_is_plain() -> None:
    """Comments and docstrings contain none of the avoided words; no page contains the second of them."""
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file in source()}
    wrong = [
        f"{file}:{line}"
        for file, text in sources.items()
        if NOT_IN_PROSE.search(text)
        for line, said in prose(text)
        if NOT_IN_PROSE.search(said)
    ]
    wrong += [file for file, text in texts() if file.endswith(".md") and re.search(r"\banew\b", text)]
    assert wrong == []


def test_prose_is_found() -> None:
    """Comments and docstrings are prose; strings and parts between backticks are not."""
    said = [said for _, said in prose('"""Of `anew` alone."""\nwords = "somebody"  # Somebody waits.\n')]
    assert said == ["Of  alone.", "# Somebody waits."]


def texts() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file of ours: source, packs, chart, pages and tests, without the history."""
    files = [path for folder in (*FOLDERS, "tests") for path in (ROOT / folder).rglob("*") if path.suffix in TEXT]
    for path in (*files, *ROOT.glob("*.md")):
        if path.name != HISTORY and path != Path(__file__):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def voices(text: str) -> Iterator[str]:
    """Yield the line of each "voice" that means neither a telephone call nor a key or stored name."""
    allowed = [match.span() for pattern in (VOICE_OF_A_CALL, VOICE_KEY, VOICE_STORED) for match in pattern.finditer(text)]
    for match in VOICE.finditer(text):
        if not any(begin <= match.start() and match.end() <= end for begin, end in allowed):
            yield text[text.rfind("\n", 0, match.start()) + 1 :].partition("\n")[0].strip()


def test_a_voice_is_heard_on_a_telephone() -> None:
    """An assignee or advocate answers a texter, the texter puppet speaks the texts: neither is called a voice."""
    wrong = [f"{file}: {line}" for file, text in texts() if not file.startswith(VOICE_OF_PHONES) for line in voices(text)]
    assert wrong == []


def test_another_voice_is_found() -> None:
    """A call's voice passes, also across a line break, and so do the key and the file; any other is found."""
    assert list(voices('agree by\nvoice; the voice number; told["voice"], ready.voice, voice.db')) == []
    assert list(voices("The line voice\nspeaks.\nclaims_every_voice, cambia la voz")) == [
        "The line voice",
        "claims_every_voice, cambia la voz",
        "claims_every_voice, cambia la voz",
    ]
