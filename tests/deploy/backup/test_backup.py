"""Backup and restore: the line comes back, no conversation does."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.model.actions import DESK, Origin, SendSms
from bot.model.transactional_actions import EraseTexter
from bridge.app import startup
from bridge.config.load import load
from bridge.engine.transactional_actions import TransactionalActions
from bridge.runtime.clock import SteadyClock
from bridge.storage.sqlite_connection import snapshot
from bridge.tables import inbox, line_state
from bridge.tables.audit_log import AuditLog
from bridge.tables.suppression import peek_rows
from deploy.backup import backup as backup_file
from deploy.backup.backup import BACKUP_TABLES, SCRYPT
from deploy.backup.restore import restore
from deploy.cli.options import layout_of
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from tests.deploy.data_dir.test_atomic_files import SERVICE
from tests.deploy.line_directory import ADA, INDEX_KEY, SOL, VAULT_KEY, LineDirectory
from tests.deploy.verb import invoke
from tests.fakes.bridge_harness import HANDSET, BridgeHarness
from tests.fakes.database_file import rows

PASSPHRASE = b"six random words are very good"
WORDS = "kestrelfjord texted this"

LEFT_OUT = {
    "threads and what is under their keys": {
        "thread",
        "inbox",
        "outbox",
        "timer",
        "dead_letter",
        "early_reaction",
    },
    "the desk, sealed under a key that no backup has": {"desk", "crowd"},
    "facts of this installation": {
        "line",
        "warm_room",
        "erasure_certificate",
        "audit",
        "revealed",
    },
    "ids of texts and events": {"seen", "sent_text", "early_report", "event", "carrier_copy", "copy_result"},
    "erasure jobs": {"erasure"},
}
"""Every table of ours that no backup holds, and what kind of thing it is."""


async def planted(line: LineDirectory) -> str:
    """Let a person text, with an answer on its way that nobody knows the end of."""
    owner = await line.harness.receive_text(WORDS, message_id="carrier-id-of-it")
    text = SendSms(ref="say:$1", body=WORDS, origin=Origin.ADVOCATE, epoch=1, since=0.0)
    item = await line.harness.outbox.seal(owner, "q1.0", text)
    await line.harness.database.commit(lambda transaction: line.harness.outbox.put(transaction, owner, item, 0))
    await line.execute("UPDATE outbox SET state = 'sending'")
    await line.desk()
    return owner


def every_row(path: Path) -> dict[str, list[Any]]:
    tables = [name for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: [tuple(row) for row in rows(path, f"SELECT * FROM {table}")] for table in tables}  # noqa: S608


async def test_every_table_is_kept_or_left_out_on_purpose(line: LineDirectory) -> None:
    """A new table is in a backup or not because a person decided it."""
    theirs = ("matrix_", "crypto_", "quietline_", "sqlite_", "version")
    ours = {table for table in every_row(line.layout.bridge / "main.db") if not table.startswith(theirs)}
    assert ours - set(BACKUP_TABLES) == set().union(*LEFT_OUT.values())


@pytest.mark.practice(14, 18, 21)
async def test_a_backup_opened_with_every_key_holds_no_conversation(line: LineDirectory, tmp_path: Path) -> None:
    """Planted, ended, the older backup opened with its passphrase and whatever other key still exists: nothing of it."""
    owner = await planted(line)
    file = tmp_path / "b"
    await backup_file.backup(line.layout, file, PASSPHRASE)
    keys = (line.layout.bridge / "keys.db").read_bytes()
    backup = backup_file.read_backup(file, PASSPHRASE)

    plain = json.dumps(json.loads(_plain(file))).encode()
    sealed = await line.harness.database.fetchval("SELECT phone FROM thread")
    for canary in (WORDS, HANDSET, HANDSET[1:], owner, "carrier-id-of-it", VAULT_KEY.hex(), INDEX_KEY.hex(), sealed.hex()):
        assert canary.encode() not in plain
        assert canary.encode() not in file.read_bytes()
    assert keys[4096:4200].hex().encode() not in plain
    assert not [name for name in backup.files if "keys.db" in name or name.endswith((".db", "vault.key", "index.key"))]
    assert {name.rsplit("/", 1)[-1] for name in backup.files} >= {"as_token", "accounts.json", "homeserver.signing.key"}

    audit = AuditLog(vault=line.harness.vault)
    acts = TransactionalActions(line.harness.services, audit=audit, suppression=line.harness.suppression)
    await line.harness.database.commit(lambda transaction: acts.perform(transaction, owner, EraseTexter()))
    await line.harness.vault.destroy(owner)
    there = Layout(tmp_path / "again")
    await restore(backup, there)
    for path in [path for path in there.data.rglob("*") if path.is_file()]:
        raw = path.read_bytes()
        for canary in (WORDS, HANDSET[1:], owner, "carrier-id-of-it", VAULT_KEY.hex(), INDEX_KEY.hex()):
            assert canary.encode() not in raw, f"{canary[:3]}… in {path.name}"


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _plain(file: Path) -> bytes:
    data = file.read_bytes()
    head = len(backup_file.MAGIC)
    salt, nonce = data[head : head + 16], data[head + 16 : head + 28]
    return AESGCM(backup_file._derive_key(PASSPHRASE, salt)).decrypt(nonce, data[head + 28 :], backup_file.MAGIC + salt)


async def test_copies_of_keys_are_in_no_backup(line: LineDirectory, tmp_path: Path) -> None:
    """A copy of a vault key, or of the passphrase, that somebody left beside the secrets, under whatever name."""
    for name, content in (
        ("vault.key.bak", VAULT_KEY.hex() + "\n"),
        ("old", INDEX_KEY.hex()),
        ("words", PASSPHRASE.decode()),
    ):
        (line.layout.secrets / name).write_text(content)
    (line.layout.secrets / "empty").touch()
    before = {name for name in backup_file.collect(line.layout, line.config).files if not name.endswith("words")}
    file = tmp_path / "b"
    line_backup = await backup_file.backup(line.layout, file, PASSPHRASE)
    plain = _plain(file)
    for secret in (VAULT_KEY.hex().encode(), INDEX_KEY.hex().encode(), PASSPHRASE):
        assert base64.b64encode(secret)[:-4] not in plain
    assert set(line_backup.files) == before
    assert str(line.layout.secrets / "empty") in before


async def test_a_restored_line_resumes_and_resends_nothing(line: LineDirectory, tmp_path: Path) -> None:
    """Its database holds a roster, a count of unfinished texts and nothing else; keys are new; the configuration loads."""
    await planted(line)
    backup = backup_file.collect(line.layout, line.config)
    assert backup.unfinished == 1
    there = Layout(tmp_path / "again")
    await restore(backup, there)
    config = load(there.config)
    assert config.data_dir == there.bridge
    assert config.line == line.config.line.model_copy(update={"carrier": config.line.carrier})
    for name, old in (("vault.key", VAULT_KEY), ("index.key", INDEX_KEY)):
        assert (there.secrets / name).read_text().strip() != old.hex()
    assert (there.secrets / "as_token").read_text() == (line.layout.secrets / "as_token").read_text()
    assert not (there.bridge / "keys.db").exists()
    assert there.run.is_dir(), "units may write there before the first start"
    rows = every_row(there.bridge / "main.db")
    assert {table for table, found_rows in rows.items() if found_rows} <= {"line", "version", "sqlite_sequence"} | {
        table for table in rows if table.endswith("version")
    }
    stored = dict(rows["line"])
    assert stored.pop(line_state.SLUG) == config.line.slug, "with which its STOP entries are hashed"
    facts = {name: json.loads(value) for name, value in stored.items()}
    assert facts.keys() == {line_state.RESTORE, line_state.RESTORED_ROSTER}
    assert facts[line_state.RESTORED_ROSTER] == [{"mxid": ADA, "role": "advocate"}, {"mxid": SOL, "role": "supervisor"}]
    assert all(path.stat().st_mode & 0o077 == 0 for path in [there.data, *there.data.rglob("*")])


async def test_the_desk_is_told_once_and_the_roster_comes_from_the_backup(line: LineDirectory, tmp_path: Path) -> None:
    """At the first start the desk hears of unfinished texts, the audit has it, and who was at the desk is invited."""
    await planted(line)
    there = Layout(tmp_path / "again")
    await restore(backup_file.collect(line.layout, line.config), there)
    harness = BridgeHarness(there.bridge)
    await harness.open()
    try:
        await harness.vault.create(DESK)
        for _ in range(2):
            await startup.report_restore(harness.database, harness.vault, SteadyClock())
        [row] = await harness.database.fetch("SELECT kind, body FROM inbox")
        assert row["kind"] == "LineRestored"
        body = await harness.vault.open(DESK, inbox.CONTEXT, row["body"])
        assert json.loads(body)["unfinished"] == 1
        assert [row["kind"] for row in await harness.database.fetch("SELECT kind FROM audit")] == ["restore"]
        staff = await startup.first_roster(harness.database, [])
        assert [(seat.mxid, seat.role) for seat in staff] == [(ADA, "advocate"), (SOL, "supervisor")]
        assert await line_state.get(harness.database, line_state.OLD_ROOMS) == line_state.KEPT
    finally:
        await harness.close()
    assert await startup.first_roster(line.harness.database, line.config.line.staff) == line.config.line.staff


async def test_what_is_remembered_of_phones_comes_along(line: LineDirectory, tmp_path: Path) -> None:
    """Tables that a backup keeps are the same afterwards, byte for byte."""
    if "suppression" not in every_row(line.layout.bridge / "main.db"):
        await line.execute("CREATE TABLE suppression (hash BLOB NOT NULL, muted TEXT NOT NULL, until BIGINT NOT NULL)")
    await line.execute("INSERT INTO suppression (hash, muted, until) VALUES ($1, 'stopped', 1)", b"\x00\xff" * 16)
    backup = backup_file.decrypt(backup_file.encrypt(backup_file.collect(line.layout, line.config), PASSPHRASE), PASSPHRASE)
    assert backup.tables["suppression"] == [{"hash": b"\x00\xff" * 16, "muted": "stopped", "until": 1}]


@pytest.mark.parametrize("within", [False, True], ids=["elsewhere", "within the old directory"])
async def test_files_from_elsewhere_come_along(line: LineDirectory, tmp_path: Path, within: bool) -> None:
    """A token and a pack outside the directory lie inside the new one, and the configuration names them there."""
    outside = tmp_path / "etc"
    outside.mkdir()
    (outside / "token").write_text("secret-of-the-carrier")
    (outside / "token").chmod(0o600)
    (outside / "agency.yaml").write_text("settings: {cap: 4}\n")
    raw = yaml.safe_load(line.layout.config.read_text())
    raw["lines"][0]["carrier"]["token_file"] = str(outside / "token")
    raw["lines"][0]["packs"].append("../etc/agency.yaml")
    line.layout.config.write_text(yaml.safe_dump(raw, sort_keys=False))
    backup = backup_file.collect(line.layout, line.config)
    for path in outside.iterdir():
        path.unlink()
    there = Layout((line.layout.data if within else tmp_path) / "again")
    await restore(backup, there)
    config = load(there.config)
    carrier = config.line.carrier.model_dump()
    assert carrier["token_file"].is_relative_to(there.data)
    assert carrier["token_file"].read_text() == "secret-of-the-carrier"
    pack = Path(config.line.packs[-1])
    assert pack.is_relative_to(there.data)
    assert {path.read_text() for path in (there.data / "restored").iterdir()} == {
        "secret-of-the-carrier",
        "settings: {cap: 4}\n",
    }


@pytest.mark.parametrize("beside", [False, True], ids=["configuration elsewhere", "databases elsewhere"])
async def test_the_stop_list_is_where_the_bridge_reads(line: LineDirectory, tmp_path: Path, beside: bool) -> None:
    """A line whose configuration, or whose databases, are elsewhere: its rows come into its `data_dir`."""
    await line.execute("INSERT INTO suppression (hash, muted, until) VALUES ($1, 'stopped', 1)", b"\x00\xff" * 16)
    file = tmp_path / "etc" / ("config.yaml" if beside else "south.yaml")
    file.parent.mkdir()
    file.write_text(line.layout.config.read_text())
    layout = Layout(file.parent) if beside else layout_of(file)
    there = Layout(tmp_path / "again")
    await restore(backup_file.collect(layout, load(file)), there)
    config = load(there.config)
    assert config.data_dir == there.bridge
    with snapshot(config.data_dir / "main.db") as db:
        assert len(peek_rows(db)) == 1
    for place in config.keys.files.values():
        assert place.is_relative_to(there.data)
    assert {config.keys.files[name].read_text().strip() for name in ("vault", "index")}.isdisjoint(
        {VAULT_KEY.hex(), INDEX_KEY.hex()}
    )


async def test_nothing_is_restored_over(line: LineDirectory, tmp_path: Path) -> None:
    """A directory with a line, running or not, or with anything else in it, is left as it is."""
    backup = backup_file.collect(line.layout, line.config)
    before = {path: path.stat().st_mtime_ns for path in line.layout.data.rglob("*")}
    with pytest.raises(SetupError, match="not empty"):
        await restore(backup, line.layout)
    assert {path: path.stat().st_mtime_ns for path in line.layout.data.rglob("*")} == before
    (tmp_path / "file").touch()
    with pytest.raises(SetupError):
        await restore(backup, Layout(tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    await restore(backup, Layout(tmp_path / "empty"))
    assert _names(tmp_path) == {"line", "file", "empty"}


async def test_a_restored_line_is_of_the_account_that_runs_it(
    line: LineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root restores: every file and directory, the database too, belongs to the owner of the empty directory."""
    backup = backup_file.collect(line.layout, line.config)
    (there := tmp_path / "again").mkdir()
    if os.geteuid() == 0:
        os.chown(there, *SERVICE)
    inodes: list[int] = []
    real = os.fchown

    def fchown(descriptor: int, user: int, group: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        real(descriptor, user, group)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    owner = there.stat().st_uid
    await restore(backup, Layout(there))
    paths = [there, *there.rglob("*")]
    assert {path.stat().st_uid for path in paths} == {owner}
    assert {path.stat().st_ino for path in paths} <= {*inodes}


@pytest.mark.parametrize("harm", ["passphrase", "cut", "flipped", "other", "empty"])
async def test_what_cannot_be_opened_says_so(line: LineDirectory, tmp_path: Path, harm: str) -> None:
    """Another passphrase, a damaged file, another file: a sentence, and no directory."""
    file = tmp_path / "b"
    data = backup_file.encrypt(backup_file.collect(line.layout, line.config), PASSPHRASE)
    flipped = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]
    file.write_bytes({"cut": data[:-1], "flipped": flipped, "other": b"PK" + data, "empty": b""}.get(harm, data))
    with pytest.raises(SetupError, match=r"cannot be opened|no backup"):
        backup_file.read_backup(file, b"another passphrase altogether" if harm == "passphrase" else PASSPHRASE)


def test_a_passphrase_is_slow_to_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each guess takes 64 MiB and a fifth of a second; the key is another with another salt, and the same with the same."""
    monkeypatch.setattr(backup_file, "SCRYPT", SCRYPT)
    assert (SCRYPT["n"], SCRYPT["r"]) == (2**16, 8)
    one, again, other = (backup_file._derive_key(b"a passphrase", salt * 16) for salt in (b"a", b"a", b"b"))
    assert one == again != other
    assert len(one) == 32


@pytest.mark.parametrize(("words", "mode"), [("short", 0o600), ("long enough to be a passphrase", 0o644), (None, 0o600)])
def test_a_passphrase_is_private_and_long(tmp_path: Path, words: str | None, mode: int) -> None:
    """Others must not read it, and it must not be guessed. The reason is said."""
    path = tmp_path / "p"
    if words is not None:
        path.write_text(words)
        path.chmod(mode)
    with pytest.raises(SetupError, match="p: " if words is not None else "No such file"):
        backup_file.read_passphrase(path)


async def test_the_verbs(line: LineDirectory, tmp_path: Path) -> None:
    """`backup` writes a private file beside the running bridge and notes it; an existing file stays; `restore` fills."""
    await planted(line)
    phrase = tmp_path / "p"
    phrase.write_bytes(PASSPHRASE)
    phrase.chmod(0o600)
    file = tmp_path / "b"
    common = ["--passphrase-file", str(phrase)]
    backup = ["backup", "--data", str(line.layout.data), "--to", str(file), *common]
    done = await invoke(backup)
    assert (done.exit_code, file.stat().st_mode & 0o777) == (0, 0o600), done.output
    assert "1 texts were on their way" in done.output
    assert [row["kind"] for row in await line.harness.database.fetch("SELECT kind FROM audit")] == ["backup"]
    before = file.read_bytes()
    again = await invoke(backup)
    assert again.exit_code == 2
    assert file.read_bytes() == before
    over = await invoke(["restore", "--data", str(line.layout.data), *common, str(file)])
    assert over.exit_code == 2
    assert "not empty" in over.output
    there = tmp_path / "again"
    filled = await invoke(["restore", "--data", str(there), *common, str(file)])
    assert filled.exit_code == 0, filled.output
    assert load(Layout(there).config).line.slug == line.config.line.slug


async def test_a_timer_says_nothing_but_the_line(line: LineDirectory, tmp_path: Path) -> None:
    """`backup` in the configuration says where to and under which passphrase; the passphrase is in no backup."""
    bare = await invoke(["backup", "--data", str(line.layout.data)])
    assert (bare.exit_code, "backup: is not there" in bare.stderr) == (2, True)
    phrase, directory = tmp_path / "phrase", tmp_path / "kept"
    phrase.write_bytes(PASSPHRASE)
    phrase.chmod(0o600)
    directory.mkdir()
    configuration = yaml.safe_load(line.layout.config.read_text())
    configuration["backup"] = {"to": str(directory), "passphrase_file": str(phrase)}
    line.layout.config.write_text(yaml.safe_dump(configuration))
    result = await invoke(["backup", "--data", str(line.layout.data)])
    assert result.exit_code == 0, result.output
    (file,) = directory.iterdir()
    backup = backup_file.read_backup(file, PASSPHRASE)
    assert str(phrase) not in backup.files
    assert not [name for name, data in backup.files.items() if PASSPHRASE in data]
    phrase.unlink()
    load(line.layout.config)  # a bridge does not need it to start
