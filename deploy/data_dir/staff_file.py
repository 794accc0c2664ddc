"""The staff of a line in its `config.yaml`: adds or removes an entry, and leaves every other character as it is.

Rule of this module: the result is parsed again and must equal the old configuration with one entry more or less. If that
fails because of the file's form, the file is not changed, and the operator is told what to change by hand. Two commands at
the same moment take turns, so that neither writes back what it read before the other's change.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from deploy.data_dir.atomic_files import rewrite_atomically
from deploy.data_dir.line_lock import change_lock
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.data_dir.secret_files import Role


def add_entry(path: Path, mxid: str, role: Role) -> None:
    """Add a person to `lines.0.staff`. Raises `SetupError` and `OSError`."""
    entry = f"{{mxid: {json.dumps(mxid)}, role: {role}}}"
    with change_lock(path):
        text = _read(path)
        staff = _staff_node(path, text)
        entries = [*_staff(text), {"mxid": mxid, "role": role}]
        if not staff.value:
            changed = f"{text[: staff.start_mark.index]}[{entry}]{text[staff.end_mark.index :]}"
        elif staff.flow_style:
            end = _end(staff.value[-1])
            changed = f"{text[:end]}, {entry}{text[end:]}"
        else:
            end = _line_end(text, _end(staff.value[-1]))
            newline = "" if text[:end].endswith("\n") else "\n"
            changed = f"{text[:end]}{newline}{' ' * staff.start_mark.column}- {entry}\n{text[end:]}"
        _write(path, changed, text, entries, f"add `- {entry}` to lines.0.staff")


def remove_entry(path: Path, mxid: str) -> bool:
    """Remove a person from `lines.0.staff`; return False when they are not in it. Raises `SetupError` and `OSError`."""
    with change_lock(path):
        text = _read(path)
        before = _staff(text)
        indices = [n for n, entry in enumerate(before) if entry.get("mxid") == mxid]
        if not indices:
            return False
        changed = text
        for n in reversed(indices):
            changed = _without(changed, _staff_node(path, changed), n)
        entries = [entry for entry in before if entry.get("mxid") != mxid]
        _write(path, changed, text, entries, "take the person out of lines.0.staff")
        return True


def _without(text: str, staff: yaml.SequenceNode, n: int) -> str:
    items = staff.value
    begin, end = items[n].start_mark.index, _end(items[n])
    if staff.flow_style:
        if n + 1 < len(items):
            end = items[n + 1].start_mark.index
        elif n:
            begin = _end(items[n - 1])
        return text[:begin] + text[end:]
    begin, end = text.rfind("\n", 0, begin) + 1, _line_end(text, end)
    empty_list = f"{' ' * (staff.start_mark.column + 2)}[]\n" if len(items) == 1 else ""
    return text[:begin] + empty_list + text[end:]


def _end(node: yaml.Node) -> int:
    """Return the end of a node; the end mark of a block is the beginning of the next node."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    return text.find("\n", index) + 1 or len(text)


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")  # unchanged: `read_text` would change line ends


def _staff(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load(text)["lines"][0]["staff"])


def _staff_node(path: Path, text: str) -> yaml.SequenceNode:
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in ("lines", 0, "staff"):
        if isinstance(key, int):
            node = node.value[key]
        else:
            node = next((value for name, value in node.value if name.value == key), None)
    if not isinstance(node, yaml.SequenceNode):
        raise SetupError([f"{path}: lines.0.staff: is no list"])
    return node


def _write(path: Path, changed: str, text: str, entries: list[dict[str, Any]], by_hand: str) -> None:
    expected = yaml.safe_load(text)
    expected["lines"][0]["staff"] = entries
    try:
        right = yaml.safe_load(changed) == expected
    except (yaml.YAMLError, ValueError):
        right = False
    if not right:
        raise SetupError([f"{path}: cannot be changed by a program as it is written; {by_hand} by hand"])
    rewrite_atomically(path, changed)
