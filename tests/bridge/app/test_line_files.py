"""What ends a start for good: exit code 2, the file, and what an operator can do; never a loop of starts."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.app import main
from bridge.app.bridge import Bridge
from bridge.app.line_files import CannotStart
from bridge.carriers.adapter import InboundText
from bridge.config.load import load
from bridge.matrix.api.http_client import IdentityInUse, IdentityTakenOver
from bridge.outbound import pager
from bridge.runtime import log
from bridge.runtime.crash_points import never_crash
from bridge.runtime.phone_number import Phone
from bridge.storage.sqlite_connection import SqliteConnection, find_damage
from policies.load import load as load_pack
from tests.bridge.app.starts import start
from tests.bridge.papers import Papers
from tests.free_ports import free_ports

pytestmark = pytest.mark.sqlite_only  # PostgreSQL's: test_line_files_postgres.py


async def begin(papers: Papers, owner: str) -> None:
    """Have a conversation begin and another thing be committed, as the line does."""
    config = load(papers.save())
    pack = load_pack(config.line.packs, near=papers.directory)
    async with AsyncExitStack() as stack:
        bridge = await Bridge.open(config=config, pack=pack, crash=never_crash, stack=stack)
        sender = Phone(f"+1206555{owner}")
        await bridge.webhook.accept_text(InboundText(message_id=owner, sender=sender, text="words"))


def delete(path: Path) -> None:
    for each in path.parent.glob(path.name + "*"):
        each.unlink()


async def test_a_line_starts_again(papers: Papers) -> None:
    """With all of its files there is nothing to say."""
    await start(papers)


@pytest.mark.parametrize(("lost", "other"), [("keys.db", "main.db"), ("main.db", "keys.db")])
async def test_a_lost_file_is_named_and_not_made_anew(papers: Papers, lost: str, other: str) -> None:
    """It says which is missing and what `restore` does; no empty one stands where the right one is to be put back."""
    path = papers.directory / "bridge" / lost
    content = (papers.directory / "bridge" / other).read_bytes()
    delete(path)
    with pytest.raises(CannotStart) as refused:
        await start(papers)
    [problem] = refused.value.problems
    assert problem.startswith(f"{path}: missing")
    assert "quietline restore" in problem
    assert not path.exists()
    if other == "keys.db":
        assert (papers.directory / "bridge" / other).read_bytes() == content


@pytest.mark.parametrize("emptied", [True, False], ids=["a file without keys", "keys of another line"])
async def test_keys_of_another_line(papers: Papers, tmp_path: Path, emptied: bool) -> None:
    """A `keys.db` that does not belong to this `main.db` is not written to, and no key in it is destroyed."""
    path = papers.directory / "bridge" / "keys.db"
    (tmp_path / "other").mkdir()
    other = Papers(tmp_path / "other")
    other.raw["listen"]["port"] = free_ports()
    other.raw["keys"] = papers.raw["keys"]
    (tmp_path / "other" / "bridge").mkdir()
    await start(other)
    delete(path)
    path.write_bytes(b"" if emptied else (tmp_path / "other" / "bridge" / "keys.db").read_bytes())
    with pytest.raises(CannotStart, match="does not open the desk"):
        await start(papers)


@pytest.mark.parametrize("name", ["keys.db", "main.db", "voice.db"])
async def test_a_damaged_file_is_named(papers: Papers, name: str) -> None:
    """A file that is no database is not started over and over."""
    path = papers.directory / "bridge" / name
    delete(path)
    path.write_bytes(secrets.token_bytes(8192))
    with pytest.raises(CannotStart) as refused:
        await start(papers)
    assert refused.value.problems[0].startswith(f"{path}: damaged")


async def test_a_damaged_page_is_found_before_a_statement_meets_it(papers: Papers) -> None:
    """The line does not begin with a table that it would only need later."""
    path = papers.directory / "bridge" / "main.db"
    with contextlib.closing(SqliteConnection(path)) as db:
        root = db.fetchval("SELECT rootpage FROM sqlite_master WHERE name = 'suppression'")
        size = db.fetchval("PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    assert find_damage(path)
    with pytest.raises(CannotStart, match=r"main\.db: damaged.*quietline restore"):
        await start(papers)


async def test_another_vault_key(papers: Papers) -> None:
    """A vault key of another installation is named with the file that it does not open."""
    papers.write("vault_key", secrets.token_hex(32))
    with pytest.raises(CannotStart, match=r"keys.db: the vault key does not open") as refused:
        await start(papers)
    assert str(papers.directory / "vault_key") in refused.value.problems[0]


@pytest.mark.parametrize(("key", "lost"), [("index_key", "nobody who texts"), ("suppression_key", "said STOP")])
async def test_another_key_is_named_with_its_file(papers: Papers, key: str, lost: str) -> None:
    """A line that has forgotten its STOPs, or its texters, does not run: the file is named, at each start."""
    papers.write(key, secrets.token_hex(32))
    for _ in range(2):
        with pytest.raises(CannotStart) as refused:
            await start(papers)
        [problem] = refused.value.problems
        assert problem.startswith(f"{papers.directory / key}: this {key.removesuffix('_key')} key is not the one")
        assert lost in problem
    papers.write(key, papers.secrets[key])
    await start(papers)


async def test_another_server_name_is_refused(papers: Papers) -> None:
    """The line's accounts, rooms and keys are of the one it was made on; with that it starts again."""
    home, staff = papers.raw["homeserver"], papers.line["staff"]
    before = home["server_name"]
    for name, starts in (("other.localhost", False), (before, True)):
        home["server_name"] = name
        papers.line["staff"] = [{**each, "mxid": each["mxid"].replace(before, name)} for each in staff]
        if starts:
            await start(papers)
            continue
        with pytest.raises(CannotStart) as refused:
            await start(papers)
        assert refused.value.problems == [
            f"homeserver.server_name: this line was made on {before} and stays there. Put that back."
        ]


async def test_a_move_that_was_not_finished_is_no_loss(papers: Papers) -> None:
    """`database` was taken out of the configuration too early: the sentence says how the move is finished."""
    main = papers.directory / "bridge" / "main.db"
    main.rename(main.with_name("main.db.moving"))
    with pytest.raises(CannotStart, match="repeat `quietline migrate --to sqlite`") as refused:
        await start(papers)
    assert "restore" not in str(refused.value)


async def test_another_slug_is_refused(papers: Papers) -> None:
    """Under another one no phone that said STOP would be known, and the line would text it; with its own it starts."""
    before = papers.line["slug"]
    papers.line["slug"] = "north"
    with pytest.raises(CannotStart, match=f"this line was made as {before} and stays that"):
        await start(papers)
    papers.line["slug"] = before
    await start(papers)


async def test_another_policy_bot_is_refused(papers: Papers) -> None:
    """It is in none of the line's rooms, and has none of its keys."""
    home = papers.raw["homeserver"]
    home["policy_localpart"] = "another"
    with pytest.raises(CannotStart, match=r"policy bot of this line is policy, .* Put that back"):
        await start(papers)
    del home["policy_localpart"]
    await start(papers)


async def test_a_rehearsal_does_not_go_into_service(papers: Papers) -> None:
    """Its identities were trusted on first use, and nobody compared them; a line in service becomes no rehearsal either."""
    main_file = papers.directory / "bridge" / "main.db"
    for begun_as in ("false", "true"):
        with contextlib.closing(SqliteConnection(main_file)) as connection:
            connection.execute("UPDATE line SET value = $1 WHERE name = 'rehearsal'", begun_as)
        if begun_as == "true":
            await start(papers)
            continue
        with pytest.raises(CannotStart) as refused:
            await start(papers)
        [problem] = refused.value.problems
        assert problem.startswith("lines.0.rehearsal: this line was begun with `rehearsal: false`")


@pytest.mark.parametrize(
    ("name", "newer"),
    [
        ("main.db", "UPDATE quietline_version SET version = 999"),
        ("voice.db", "UPDATE quietline_version SET version = 999"),
        ("keys.db", "PRAGMA user_version = 999"),
    ],
)
async def test_a_newer_program_wrote_it(papers: Papers, name: str, newer: str) -> None:
    """An older program stops before it changes anything, whichever of the files is newer."""
    connection = SqliteConnection(papers.directory / "bridge" / name)
    connection.execute(newer)
    connection.close()
    with pytest.raises(CannotStart, match=rf"{name}: written by a newer version"):
        await start(papers)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what the person on call was told."""
    messages: list[str] = []

    async def call(
        _on_call: object, _http: object, *, message: str, before_bytes: object
    ) -> AsyncIterator[tuple[str, bool]]:
        assert before_bytes is None
        messages.append(message)
        yield "webhook", True

    monkeypatch.setattr(pager, "_calls", call)
    return messages


@pytest.mark.parametrize(
    ("error", "said", "message"),
    [
        (CannotStart(["/keys.db: missing"]), "keys.db: missing", pager.MESSAGE),
        (ExceptionGroup("", [CannotStart(["/as_token: refused"])]), "as_token: refused", pager.MESSAGE),
        (
            ExceptionGroup("", [ExceptionGroup("", [IdentityTakenOver("@policy:x")])]),
            "@policy:x: replaced by another",
            pager.MESSAGE,
        ),
    ],
    ids=["files", "later", "another bridge"],
)
def test_the_process_says_it_and_ends_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    calls: list[str],
    error: Exception,
    said: str,
    message: str,
) -> None:
    """The code says that another start cannot help; who is on call is called, once an hour where it is started again."""
    line_papers = Papers(tmp_path)

    async def refuse(**_options: object) -> None:
        raise error

    monkeypatch.setattr(Bridge, "open", refuse)
    monkeypatch.setattr(log, "configure", lambda _level: None)
    assert main.main(line_papers.save()) == main.EXIT_USAGE
    assert main.main(line_papers.save()) == main.EXIT_USAGE
    assert said in capfd.readouterr().err
    assert calls == [message]


@pytest.mark.parametrize("rehearsal", [False, True], ids=["real", "rehearsal"])
def test_a_second_bridge_tells_once_that_it_was_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    calls: list[str],
    *,
    rehearsal: bool,
) -> None:
    """However often it is started, and whoever watches its unit, none is called to the desk. A rehearsal tells nobody."""
    line_papers = Papers(tmp_path)
    config = load(line_papers.save())
    line = config.line.model_copy(update={"rehearsal": rehearsal})
    monkeypatch.setattr(main, "load", lambda _path: config.model_copy(update={"lines": (line,)}))
    now = time.time()

    async def refuse(**_options: object) -> None:
        raise ExceptionGroup("", [IdentityInUse("@policy:x")])

    monkeypatch.setattr(Bridge, "open", refuse)
    monkeypatch.setattr(log, "configure", lambda _level: None)
    monkeypatch.setattr(main, "load_packs", lambda _config, **_options: None)  # an agency's own words are reviewed
    called = line_papers.directory / "bridge" / pager.LAST_CALL
    for hours in range(0, 48, 6):
        monkeypatch.setattr(time, "time", lambda at=now + hours * 3600: at)
        called.unlink(missing_ok=True)
        assert main.main(line_papers.path) == main.EXIT_USAGE
        assert called.exists(), "`quietline alarm failed` would call somebody to the desk"
    assert "start this one with --take-over" in capfd.readouterr().err
    assert calls == ([] if rehearsal else [pager.SECOND_MESSAGE])
