"""`quietline backup`: the line, without its conversations, in one encrypted file.

Rules of this module: each file and table of a backup is named here, and it contains nothing else: no thread, no text, no
session, no `keys.db`, not even the vault's keys, so that nothing in a backup opens data that is stored elsewhere. It is
made beside a running line, from one snapshot of its database.

The file: a line of text, 16 bytes of salt, 12 of nonce, then JSON under AES-256-GCM; scrypt derives its key from a
passphrase. Sources: RFC 7914 (scrypt), NIST SP 800-38D (AES-GCM; one nonce per key, and the salt makes each key new).
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bot.model.audit_kinds import AuditKind
from bridge.config.load import load
from bridge.matrix.rooms.room_state import peek_desk_levels
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.runtime.program import own_version
from bridge.runtime.settings import is_private, secret_files, secret_place
from bridge.storage.errors import UnsupportedSchema
from bridge.storage.migrations import VERSION_TABLE, peek_version
from bridge.tables import desk_state, inspection, line_state, suppression
from deploy.data_dir import offline
from deploy.data_dir.atomic_files import give_to_owner, sync_directory
from deploy.data_dir.secret_files import Secrets, SetupError
from policies import read_text
from policies.load import PACK_NAME, REGIONAL_NAME

if TYPE_CHECKING:
    from bridge.config.sections import Config
    from bridge.storage.database import Snapshot, Transaction
    from deploy.data_dir.layout import Layout

_READ: Final = {"suppression": suppression.peek_rows, "tally": desk_state.peek_tally}
_INSERT: Final = {"suppression": suppression.insert_row, "tally": desk_state.insert_tally_row}
BACKUP_TABLES: Final = tuple(_READ)
"""Tables that a backup contains: phones that said STOP (slow keyed hashes), and counters without personal data."""

Rows: TypeAlias = list[dict[str, Any]]
"""Rows of one table: value by column."""


MAGIC: Final = b"quietline backup 1\n"
ANY_MAGIC: Final = re.compile(rb"quietline backup \d+\n")
SCRYPT: Final = {"n": 2**16, "r": 8, "p": 1}
"""scrypt takes 64 MiB and some tenths of a second."""
MIN_PASSPHRASE: Final = 16
"""The fewest characters of a passphrase."""
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
HALF: Final = ".half"
"""The suffix of a backup that is being written."""
RENEWED_SECRETS: Final = ("keys.vault_key_file", "keys.index_key_file")
"""Secrets that no backup contains."""
HOUR: Final = 3600


def read_rows(connection: Snapshot) -> dict[str, Rows]:
    """Return the rows of each backup table that this database has, by table. Raises `DatabaseError`."""
    there = connection.tables()
    return {table: [dict(row) for row in rows(connection)] for table, rows in _READ.items() if table in there}


async def insert_rows(transaction: Transaction, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Insert the rows of a backup, in the caller's commit. Raises `DatabaseError` for an unknown column."""
    for table, insert_row in _INSERT.items():
        for row in tables.get(table, ()):
            await insert_row(transaction, row)


SALT_BYTES, NONCE_BYTES = 16, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """The content of a backup. `root`: its data directory; `made_at`: the hour, in seconds since the epoch.

    `files`: by absolute path; `packs`: the agency's own, as the configuration names them; `tables`: rows by table;
    `unfinished`: the number of outbound texts that had not left, or are unknown. `program`: the version that made it.
    `schema`: the version of its tables.
    """

    made_at: int
    root: str
    config: str
    files: dict[str, bytes]
    packs: dict[str, str]
    roster: list[dict[str, str]]
    tables: dict[str, list[dict[str, Any]]]
    unfinished: int
    program: str
    schema: int

    @property
    def line(self) -> tuple[str, str]:
        """The line of the backup: the name of the homeserver and the slug."""
        raw: Any = yaml.safe_load(self.config)
        return str(raw["homeserver"]["server_name"]), str(raw["lines"][0]["slug"])


def new_file_name(at: float) -> str:
    """Return a file name with the time in UTC, to the second: names sort by time."""
    return time.strftime("quietline-%Y%m%dT%H%M%SZ.backup", time.gmtime(at))


async def backup(layout: Layout, to: Path, passphrase: bytes) -> Backup:
    """Write a backup to a new file, and note it in the audit.

    Raises `ConfigError`, `SetupError`, `OSError`, `DatabaseError`.
    """
    config = load(layout.config)
    line_backup = collect(layout, config, passphrase)
    write_finished_file(to, encrypt(line_backup, passphrase))
    now = str(time.time())
    await offline.record_audit(
        config, AuditKind.BACKUP, lambda transaction: line_state.put(transaction, line_state.LAST_BACKUP, now)
    )
    return line_backup


def collect(layout: Layout, config: Config, passphrase: bytes = b"") -> Backup:
    """Collect the content of a backup of this line, without a file that is a copy of its passphrase or of a vault key."""
    layout = _as_configured(layout, config)
    secrets = Secrets(directory=layout.secrets)
    out = [secret_place(path) for name, path in secret_files(config) if name in RENEWED_SECRETS]
    out += [secrets.vault_key, secrets.index_key, secrets.registration]
    left_out = {passphrase, *(path.read_bytes().strip() for path in out if path.is_file())} - {b""}
    paths = [path for _, path in secret_files(config)]
    paths += sorted(layout.secrets.iterdir()) if layout.secrets.is_dir() else []
    packs = {name: _pack_file(layout.config.parent / name) for name in config.line.packs if not _is_builtin_pack(name)}
    paths += packs.values()
    paths += sorted(layout.homeserver_settings.glob("*.yaml"))
    calendar = config.line.calendar
    if calendar is not None and calendar.file is not None and calendar.file.is_relative_to(layout.data):
        paths.append(calendar.file)  # one that is elsewhere is kept up to date there, and a copy would not be
    files = {str(path.absolute()): secret_place(path).read_bytes() for path in paths if secret_place(path).is_file()}
    files = {name: data for name, data in files.items() if data.strip() not in left_out}
    with offline.read_transaction(config) as db:
        if (version := peek_version(db)) > MAIN_SCHEMA.latest:
            raise UnsupportedSchema(VERSION_TABLE)
        return Backup(
            made_at=int(time.time()) // HOUR * HOUR,
            root=str(layout.data),
            config=layout.config.read_text(encoding="utf-8"),
            files=files,
            packs={name: str(path) for name, path in packs.items()},
            roster=_roster(db, ours=(config.policy_mxid, config.puppet_mxid)),
            tables=read_rows(db),
            unfinished=inspection.count_unfinished_texts(db),
            program=own_version(),
            schema=version,
        )


def _as_configured(layout: Layout, config: Config) -> Layout:
    """Return the layout by the path that the configuration has for its directory: a link may lead there by another one.

    A restore finds a file's place by the paths below the directory.
    """
    same = (
        each for each in config.data_dir.parents if each != layout.data and each.exists() and each.samefile(layout.data)
    )
    return next((replace(layout, data=each) for each in same), layout)


def _is_builtin_pack(name: str) -> bool:
    return bool(PACK_NAME.fullmatch(name) or REGIONAL_NAME.fullmatch(name))


def _pack_file(path: Path) -> Path:
    path = Path(os.path.normpath(path.absolute()))
    return path / "pack.yaml" if path.is_dir() else path


def _roster(db: Snapshot, *, ours: tuple[str, ...]) -> list[dict[str, str]]:
    """Return who is at the desk or invited, with their roles; before the start of a restored line its roster."""
    roster = [
        {"mxid": user_id, "role": "supervisor" if level >= 50 else "advocate"}
        for user_id, level in peek_desk_levels(db).items()
        if user_id not in ours
    ]
    return roster or json.loads(line_state.peek(db, line_state.RESTORED_ROSTER) or "[]")


def encrypt(line_backup: Backup, passphrase: bytes) -> bytes:
    """Encrypt a backup."""
    document = {
        "made": line_backup.made_at,
        "root": line_backup.root,
        "config": line_backup.config,
        "files": {path: base64.b64encode(data).decode() for path, data in line_backup.files.items()},
        "packs": line_backup.packs,
        "roster": line_backup.roster,
        "tables": {
            table: [{k: _encode(v) for k, v in row.items()} for row in rows] for table, rows in line_backup.tables.items()
        },
        "unfinished": line_backup.unfinished,
        "program": line_backup.program,
        "schema": line_backup.schema,
    }
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    data = json.dumps(document).encode()
    return MAGIC + salt + nonce + AESGCM(_derive_key(passphrase, salt)).encrypt(nonce, data, MAGIC + salt)


def decrypt(data: bytes, passphrase: bytes) -> Backup:
    """Decrypt a backup. Raises :class:`SetupError` for another file, a damaged one, or another passphrase."""
    head = len(MAGIC)
    if not data.startswith(MAGIC):
        if ANY_MAGIC.match(data):
            raise SetupError(["this is a backup of a newer version of quietline: restore it with that one, or a later one"])
        raise SetupError(["this is no backup of quietline"])
    salt, nonce = data[head : head + SALT_BYTES], data[head + SALT_BYTES : head + SALT_BYTES + NONCE_BYTES]
    try:
        document = json.loads(
            AESGCM(_derive_key(passphrase, salt)).decrypt(nonce, data[head + SALT_BYTES + NONCE_BYTES :], MAGIC + salt)
        )
    except (InvalidTag, ValueError):
        raise SetupError(["it cannot be opened: another passphrase, or the file is damaged"]) from None
    return Backup(
        made_at=int(document["made"]),
        root=str(document["root"]),
        config=str(document["config"]),
        files={path: base64.b64decode(text) for path, text in document["files"].items()},
        packs=dict(document["packs"]),
        roster=list(document["roster"]),
        tables={
            table: [{k: _decode(v) for k, v in row.items()} for row in rows] for table, rows in document["tables"].items()
        },
        unfinished=int(document["unfinished"]),
        program=str(document["program"]),
        schema=int(document["schema"]),
    )


def read_backup(source: Path, passphrase: bytes) -> Backup:
    """Read a backup from its file. Raises :class:`SetupError`."""
    try:
        whole = not source.is_fifo() and source.stat().st_size <= MAX_FILE_BYTES
        return decrypt(source.read_bytes() if whole else b"", passphrase)
    except SetupError as error:
        raise SetupError([f"{source}: {problem}" for problem in error.problems]) from None
    except OSError as error:
        raise SetupError([f"{source}: cannot be read ({error.strerror})"]) from None


def require_file(source: Path) -> int:
    """Return the size of a file in bytes. Raises :class:`SetupError` when the path is no file."""
    if not source.is_file():
        raise SetupError([f"{source}: there is no such file"])
    return source.stat().st_size


def write_finished_file(to: Path, data: bytes) -> None:
    """Write a new file that gets its name only when it is complete on the disk. Raises `OSError` when the name exists.

    A kill meanwhile leaves a file `.NAME.….half`, which is either a complete backup or cannot be opened.
    """
    if to.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(to))
    half = to.with_name(f".{to.name}.{secrets.token_hex(4)}{HALF}")
    write_new_file(half, data)
    try:
        try:
            to.hardlink_to(half)  # not a rename: another line's backup of the same second may have got the name meanwhile
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(to)) from None
        except OSError:  # a file system without links, as on many portable disks (link(2))
            half.rename(to)
        sync_directory(to.parent)
    finally:
        half.unlink(missing_ok=True)


def write_new_file(to: Path, data: bytes) -> None:
    """Write a new file of mode 0600. Raises `OSError` with its name, also when it exists; leaves no incomplete file."""
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(descriptor, to)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # the error of a full disk does not contain the file's name
        to.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(to)) from None
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def read_passphrase(path: Path) -> bytes:
    """Read a passphrase from its file (mode 0600, one line). Raises :class:`SetupError`."""
    try:
        private, text = is_private(path), read_text(path).strip()
    except OSError as error:
        raise SetupError([f"{path}: the passphrase cannot be read ({error.strerror})"]) from None
    except UnicodeDecodeError:
        raise SetupError([f"{path}: the passphrase cannot be read (it is no text)"]) from None
    problems = []
    if not private:
        problems.append(f"{path}: the file must be readable by its owner only (chmod 600)")
    if len(text) < MIN_PASSPHRASE:
        problems.append(f"{path}: a passphrase has at least {MIN_PASSPHRASE} characters; six random words are good")
    if problems:
        raise SetupError(problems)
    return text.encode()


def _derive_key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **SCRYPT).derive(passphrase)


def _encode(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _decode(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
