"""A real line made by `quietline init`, up to the first login with what a hand-out says.

Rule of this test: nothing is reached into; what a person is given on paper is all that the client knows.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import aiohttp
import yaml

from deploy.backup.backup import read_backup, read_passphrase
from tests.e2e.conftest import StrictClientFactory
from tests.e2e.stack import Stack, run
from tests.e2e.staff_client import Account

ANSWERS = {
    "mode": "embedded",
    "server_name": "text.agency.org",
    "line": {"slug": "main", "number": "+15555550100"},
    "carrier": {
        "kind": "kannel",
        "api_base": "http://127.0.0.1:9",
        "username": "quietline",
        "password": "what the gateway asks for",
        "path_secret": "s" * 40,
        "plain_numbers": "international",
        "region": "US",
    },
    "staff": [{"name": "mira", "role": "supervisor"}, {"name": "noor", "role": "advocate"}],
    "agency": {
        "country": "US",
        "time_zone": "America/New_York",
        "languages": ["en", "es"],
        "hours": "always",
        "voice_number": "+15038675309",
    },
    "reviewed": {"by": "Counsel", "on": date(2027, 1, 15)},
}


async def test_a_hand_out_opens_the_line_that_init_made(tmp_path: Path, strict_client_factory: StrictClientFactory) -> None:
    """`init`, `up`, and the supervisor of the hand-out signs in and comes to the desk; clients hear the public URL.

    The first passwords are in the hand-outs alone: in no log, no `ready.json`, no backup, nothing else of the directory.
    """
    stack = Stack(tmp_path, forks=False)
    answers = tmp_path / "answers.yaml"
    # A client goes on where the homeserver tells it to: there is no proxy here, so the public URL is its own.
    public_url = f"http://127.0.0.1:{stack.base}"
    answers.write_text(yaml.safe_dump({**ANSWERS, "public_url": public_url, "proxy": "none"}))
    answers.chmod(0o600)
    code, said = await run(stack.command("init", str(stack.data), "--answers", str(answers)))
    assert code == 0, said
    try:
        await stack.start()
        ready = stack.ready
        assert (ready.server_name, ready.carrier, ready.accounts) == ("text.agency.org", None, ())
        assert (ready.bot, ready.voice) == ("@policy:text.agency.org", "@line-main:text.agency.org")
        async with aiohttp.ClientSession() as http, http.get(f"{ready.homeserver}/.well-known/matrix/client") as answer:
            content = await answer.json(content_type=None)
        assert content["m.homeserver"]["base_url"].rstrip("/") == public_url
        handed = dict(line.split(": ") for line in (stack.data / "handout" / "mira.txt").read_text().splitlines())
        assert handed["homeserver"] == public_url
        mira = Account(user="mira", mxid=handed["user"], password=handed["password"], role="supervisor")
        client = await strict_client_factory.log_in(ready.homeserver, mira)
        try:
            await client.join(ready.desk_room)
        finally:
            await client.stop()
        holding = [
            str(path.relative_to(stack.data))
            for path in stack.data.rglob("*")
            if path.is_file() and handed["password"].encode() in path.read_bytes()
        ]
        assert holding == ["handout/mira.txt"]
        phrase = tmp_path / "phrase"
        phrase.write_text("six random words are very good")
        phrase.chmod(0o600)
        words = ("--data", str(stack.data), "--passphrase-file", str(phrase), "--to", str(tmp_path / "backup"))
        code, said = await run(stack.command("backup", *words))
        assert code == 0, said
        backup = read_backup(tmp_path / "backup", read_passphrase(phrase))
        assert {Path(name).name for name in backup.files} >= {"agency.yaml", "suppression.key"}
        assert not [name for name, data in backup.files.items() if handed["password"].encode() in data]
        assert not [name for name, text in stack.logs().items() if handed["password"] in text]
    finally:
        await stack.end()
