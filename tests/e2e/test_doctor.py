"""`quietline doctor` beside a real line, from its first start to a kill: what it finds, and that it comes to an end.

Rule of these tests: they run in this order on one line; nothing is said of how long a report takes, for each question has a
limit of its own (`deploy/doctor/probes.py`), and a frozen part that delayed the others would keep it from coming at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest_asyncio
import yaml

from tests.e2e.conftest import StrictClientFactory
from tests.e2e.polling import wait_until
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import Account, StaffClient
from tests.e2e.test_trust import identities, make_real

STAFFED = {"desk", "trust", "staff devices"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(tmp_path_factory: Any) -> AsyncIterator[tuple[Stack, Account]]:
    """Run a line that is no rehearsal, with a person to call; its staff are a supervisor and an advocate."""
    stack = Stack(tmp_path_factory.mktemp("doctor"))
    try:
        stack.data.mkdir(mode=0o700)
        sol = make_real(stack)
        webhook = stack.data / "secrets" / "on-call"
        webhook.write_text("http://127.0.0.1:9/call")
        webhook.chmod(0o600)
        configuration = yaml.safe_load((stack.data / "config.yaml").read_text(encoding="utf-8"))
        configuration["lines"][0]["on_call"] = {"webhook_file": str(webhook)}
        configuration["lines"][0]["staff"] = [
            member for member in configuration["lines"][0]["staff"] if not member["mxid"].startswith("@bea:")
        ]
        (stack.data / "config.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        async with await asyncio.start_server(_answer, "127.0.0.1", stack.base + 2):
            await stack.start()
            yield stack, sol
    finally:
        await stack.end()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a Kannel that knows the line and is asked by `doctor`, without a receiver; it takes nothing."""
    body = b"Missing receiver(s) number(s), rejected"
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
    writer.close()


async def faults(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return what `doctor` finds not well, by name. Its exit code agrees, and every such row says what to do."""
    code, output = await run(stack.command("doctor", "--data", str(stack.data), "--json"))
    rows = {row["name"]: row for row in json.loads(output)["checks"] if not row["ok"]}
    assert code == (1 if rows else 0), output
    assert all(row["do"] for row in rows.values())
    return rows


@contextlib.contextmanager
def frozen(stack: Stack, part: str) -> Iterator[None]:
    """Stop a part with SIGSTOP: the kernel takes its connections, and nobody answers."""
    pid = stack.ready.pids[part]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_line_becomes_well_when_its_people_come(
    real: tuple[Stack, Account], strict_client_factory: StrictClientFactory
) -> None:
    """Before anybody signs in the empty desk is told; with the staff there and confirmed nothing is; whoever leaves is."""
    stack, account = real

    async def unstaffed() -> bool | None:
        return (await faults(stack)).keys() == STAFFED or None

    async def seen_faults() -> str:
        return str(await faults(stack))

    await wait_until("an empty desk is told, and nothing else", unstaffed, every=3, seen=seen_faults)
    ada = Account(user="ada", mxid="@ada:quietline.localhost", role="advocate", password=_password(stack, "ada"))
    clients: list[StaffClient] = []
    try:
        for each in (account, ada):
            clients.append(await strict_client_factory.log_in(stack.ready.homeserver, each))
            await clients[-1].join(stack.ready.desk_room)

        async def seen() -> str | None:
            who = (await identities(stack)).get(account.mxid)
            return who["fingerprint"] if who and who["devices"] else None

        fingerprint = await wait_until("the bridge has seen the supervisor", seen)
        code, said = await run(stack.command("trust", "--data", str(stack.data), account.mxid, *fingerprint.split()))
        assert code == 0, said

        async def well() -> bool | None:
            return not await faults(stack) or None

        await wait_until("nothing is found", well, every=3)
        for part in ("homeserver", "bridge"):
            with frozen(stack, part):
                assert "no answer" in (await faults(stack))[part]["what"]
        await wait_until("nothing is found any more", well, every=3)
    finally:
        for client in clients:
            await client.stop()


def _password(stack: Stack, user: str) -> str:
    accounts = json.loads((stack.data / "secrets" / "accounts.json").read_text())
    return str(next(account["password"] for account in accounts if account["user"] == user))
