"""The identity of the process that holds a lease, so that another on the same machine can see that it is dead.

Rules of this module: a process is called dead only when that is certain: same boot of the same machine, same namespace of
process ids, and no process with that id and start time. In doubt a process counts as alive, and is not killed either. The
identity names no person and no path.

Sources: proc_pid_stat(5) (state, starttime), pid_namespaces(7), kill(2).
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
FIELDS: Final = 4
ENDED_LOOKS: Final = 100
ENDED_LOOK_SECONDS: Final = 0.01
_STATE, _START = 0, 19
"""Places in `/proc/PID/stat` behind the name of the program, which may hold anything."""


def own_identity() -> str:
    """Return four words: the boot, the namespace, the id, the time of the start. Where they are not known, a random one."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str((PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return secrets.token_hex(16)
    state = _state(os.getpid())
    return secrets.token_hex(16) if state is None else f"{boot} {namespace} {os.getpid()} {state[1]}"


def is_dead(identity: str, *, own_words: str | None = None) -> bool:
    """Whether the process of that identity is certainly dead. `own_words`: our own identity, if the caller has it."""
    parts, own = identity.split(" "), (own_identity() if own_words is None else own_words).split(" ")
    if len(parts) != FIELDS or len(own) != FIELDS or parts[:2] != own[:2] or not parts[2].isdecimal():
        return False
    pid = int(parts[2])
    try:
        os.kill(pid, 0)  # signal 0 checks only, and sends nothing
    except ProcessLookupError:
        return True
    except OSError:
        pass  # of another user: it is there
    state = _state(pid)
    return state is not None and (state[0] in "ZX" or state[1] != parts[3])


def end_process(identity: str) -> bool:
    """Kill the process of that identity; False where it is not certainly one of this machine, or is not ours to end."""
    parts, own = identity.split(" "), own_identity().split(" ")
    if len(parts) != FIELDS or parts[:2] != own[:2] or not parts[2].isdecimal() or parts[2:] == own[2:]:
        return False
    pid = int(parts[2])
    state = _state(pid)
    if state is None or state[1] != parts[3]:
        return is_dead(identity)
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return is_dead(identity)
    for _ in range(ENDED_LOOKS):
        if is_dead(identity):
            return True
        time.sleep(ENDED_LOOK_SECONDS)
    return False


def _state(pid: int) -> tuple[str, str] | None:
    """Return state and start time; None if they are unknown."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[_STATE], fields[_START]
    except (OSError, IndexError):
        return None
