"""`quietline staff make`: accounts of the hand-outs, by an administrator's token, on a homeserver that is not ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from bridge.config.load import load
from deploy.cli.main import cli
from deploy.data_dir.handouts import Handout
from deploy.data_dir.layout import Layout
from deploy.data_dir.secret_files import SetupError
from deploy.data_dir.staff_file import add_entry
from deploy.init.joined_accounts import FirstAccounts, make_accounts, make_accounts_at_host
from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.verb import invoke

ADMIN = "syt_admin_token"
MIRA, NOOR = "@mira:text.agency.org", "@noor:text.agency.org"


@dataclass(slots=True)
class FakeSynapse:
    """The two calls of the administrator's interface. `accounts`: id to what it was made with.

    `breaks`: the id that is made without an answer; `refuses`: the id that is not made.
    """

    accounts: dict[str, Any] = field(default_factory=dict)
    breaks: str = ""
    refuses: str = ""
    unknown: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {ADMIN}":
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        if self.unknown:
            return web.json_response({"errcode": "M_UNRECOGNIZED"}, status=404)
        mxid = request.match_info["mxid"]
        if request.method == "GET":
            if mxid in self.accounts:
                return web.json_response({"name": mxid})
            return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)
        if mxid == self.refuses:
            return web.json_response({"errcode": "M_WEAK_PASSWORD"}, status=400)
        self.accounts[mxid] = await request.json()
        return web.json_response(
            {"errcode": "M_UNKNOWN"} if mxid == self.breaks else {}, status=500 if mxid == self.breaks else 201
        )

    @asynccontextmanager
    async def line(self, directory: Path) -> AsyncIterator[Layout]:
        app = web.Application()
        app.router.add_route("*", "/_synapse/admin/v2/users/{mxid}", self.answer)
        async with TestServer(app) as server:
            url = str(server.make_url("")).rstrip("/")
            assert run_init(directory, joined(homeserver={"url": url})).exit_code == 0
            yield Layout(directory / "line")


async def make(layout: Layout, token: str = ADMIN) -> FirstAccounts:
    return await make_accounts(layout, load(layout.config), token)


async def test_each_hand_out_becomes_an_ordinary_account(tmp_path: Path) -> None:
    """The password is the hand-out's, nobody becomes an administrator, and another run changes nothing."""
    synapse = FakeSynapse()
    async with synapse.line(tmp_path) as layout:
        accounts = await make(layout)
        assert (accounts.new, accounts.existing) == ((MIRA, NOOR), ())
        handed = Handout.read(layout.handout / "mira.txt")
        assert synapse.accounts[MIRA] == {"password": handed.password, "admin": False, "logout_devices": False}
        synapse.accounts[MIRA] = "its person changed the password"
        assert await make(layout) == accounts
        assert synapse.accounts[MIRA] == "its person changed the password"


async def test_an_account_of_before_is_left_and_its_hand_out_goes(tmp_path: Path) -> None:
    """A colleague who has an account keeps the password; a hand-out with another one would only mislead."""
    synapse = FakeSynapse(accounts={NOOR: "of the agency"})
    async with synapse.line(tmp_path) as layout:
        accounts = await make(layout)
        assert (accounts.new, accounts.existing) == ((MIRA,), (NOOR,))
        assert synapse.accounts[NOOR] == "of the agency"
        assert [path.name for path in layout.handout.iterdir()] == ["mira.txt"]


async def test_a_run_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    """Made and not heard of: the next run knows that the account is ours, and the hand-out stays."""
    synapse = FakeSynapse(breaks=MIRA)
    async with synapse.line(tmp_path) as layout:
        with pytest.raises(SetupError, match="by hand"):
            await make(layout)
        synapse.breaks = ""
        accounts = await make(layout)
        assert (accounts.new, accounts.existing) == ((MIRA, NOOR), ())
        assert (layout.handout / "mira.txt").is_file()


async def test_without_an_administrator_nothing_happens(tmp_path: Path) -> None:
    """A token that is none, and a homeserver with accounts of a login service: said, and no hand-out goes."""
    synapse = FakeSynapse()
    async with synapse.line(tmp_path) as layout:
        with pytest.raises(SetupError, match="not an administrator's"):
            await make(layout, "another")
        synapse.unknown = True
        with pytest.raises(SetupError, match="makes the accounts by hand"):
            await make(layout)
        assert synapse.accounts == {}
        assert len(list(layout.handout.iterdir())) == 2
    with pytest.raises(SetupError, match="does not answer"):
        await make(layout)


@asynccontextmanager
async def hosted(directory: Path, passwords: dict[str, str]) -> AsyncIterator[tuple[Layout, Layout]]:
    """Have a homeserver that the line `north` runs, with these accounts; gives a line that joined it, and `north`."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != f"Bearer {token}":
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)
        mxid = request.match_info["mxid"]
        if request.method == "DELETE":
            passwords[mxid] = ""
            return web.json_response({})
        password = (await request.json())["password"]
        if request.method == "POST":
            return web.json_response({"same": passwords[mxid] == password})
        if mxid in passwords and not request.path.endswith("/password"):
            return web.json_response({"errcode": "M_USER_IN_USE"}, status=400)
        passwords[mxid] = password
        return web.json_response({})

    app = web.Application()
    app.router.add_put("/_synapse/client/quietline/users/{mxid}", answer)
    app.router.add_delete("/_synapse/client/quietline/users/{mxid}", answer)
    app.router.add_route("*", "/_synapse/client/quietline/users/{mxid}/password", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        (home := directory / "host").mkdir()
        assert run_init(home, answers()).exit_code == 0
        north = Layout(home / "line")
        north.config.write_text(north.config.read_text().replace("http://127.0.0.1:8448", url))
        token = (north.secrets / "as_token").read_text().strip()
        assert run_init(directory, joined(homeserver={"url": url})).exit_code == 0
        yield Layout(directory / "line"), north


async def test_the_line_that_runs_the_homeserver_makes_the_accounts_of_another(tmp_path: Path) -> None:
    """A new person gets one with the hand-out's password; who had one keeps it, and that hand-out goes; again it is so."""
    passwords = {NOOR: "of the first line"}
    async with hosted(tmp_path, passwords) as (layout, north):
        for holders in ((NOOR,), ()):
            accounts = await make_accounts_at_host(layout, load(layout.config), load(north.config))
            assert accounts == FirstAccounts(new=(MIRA,), existing=holders)
            assert passwords == {NOOR: "of the first line", MIRA: Handout.read(layout.handout / "mira.txt").password}
            assert [path.name for path in layout.handout.iterdir()] == ["mira.txt"]
        (north.secrets / "as_token").write_text("x" * 43)
        with pytest.raises(SetupError, match="refuses it"):
            await make_accounts_at_host(layout, load(layout.config), load(north.config))
    with pytest.raises(SetupError, match="start the line that runs it"):
        await make_accounts_at_host(layout, load(layout.config), load(north.config))


async def test_the_staff_of_a_line_on_anothers_homeserver_changes_later(tmp_path: Path) -> None:
    """With that line's token. Who answers there too keeps account and password, and nothing of that line changes."""
    passwords = {NOOR: "of the first line"}
    async with hosted(tmp_path, passwords) as (layout, north):
        before, file = north.config.read_bytes(), tmp_path / "password"

        async def staff(*words: str) -> Result:
            return await invoke(["staff", *words, "--data", str(layout.data), "--host", str(north.data)])

        def members() -> list[str]:
            return [member.mxid for member in load(layout.config).line.staff]

        dan = f"@dan:{load(layout.config).homeserver.server_name}"
        for verb in (("add", "dan", "--role", "advocate"), ("reset", "dan")):
            assert (await staff(*verb, "--password-file", str(file))).exit_code == 0
            assert (passwords[dan], dan in members()) == (file.read_text().strip(), True)
            file.unlink()
        assert (await staff("remove", "dan")).exit_code == 0
        assert (passwords[dan], dan in members()) == ("", False)
        for refusal in (("add", "dan", "--role", "advocate", "--password-file", str(file)), ("remove", "noor")):
            refused = await staff(*refusal)
            assert (refused.exit_code, "supervisor" in refused.stderr, file.exists()) == (2, True, False)
        assert passwords == {NOOR: "of the first line", dan: ""}
        assert members() == [MIRA, NOOR]
        assert north.config.read_bytes() == before


def run_two_lines(north: Layout, directory: Path) -> None:
    """Have `north` run a homeserver that another line is on."""
    configuration = yaml.safe_load(north.config.read_text())
    policy = f"@policy-south:{configuration['homeserver']['server_name']}"
    configuration["homeserver"]["other_lines"] = [{"registration": str(directory / "south.yaml"), "policy": policy}]
    north.config.write_text(yaml.safe_dump(configuration))
    north.homeserver_config.parent.mkdir(exist_ok=True)
    north.homeserver_config.touch()


@pytest.mark.parametrize("verb", ["reset", "remove"])
@pytest.mark.parametrize("runs_it", [True, False], ids=["the first line", "another line"])
async def test_an_account_of_another_line_keeps_its_password(tmp_path: Path, verb: str, *, runs_it: bool) -> None:
    """A name that only another desk of the homeserver has: nothing changes, and it is said which line's directory to give.

    An account that is this line's, and that its file does not name any more, can be written there, and then it ends.
    """
    async with hosted(tmp_path, passwords := {}) as (layout, north):
        dan = f"@dan:{load(north.config).homeserver.server_name}"
        passwords[dan] = "of the other desk"
        run_two_lines(north, tmp_path)
        line, file = (north, tmp_path / "password") if runs_it else (layout, tmp_path / "password")
        words = ["staff", verb, "dan", "--data", str(line.data), *([] if runs_it else ["--host", str(north.data)])]
        words += ["--password-file", str(file)] if verb == "reset" else []
        before = line.config.read_bytes()
        refused = await invoke(words)
        assert (refused.exit_code, file.exists()) == (2, False)
        assert f"{dan}: is not on this line's staff" in refused.stderr
        assert "that line's directory (`--data DIR`)" in refused.stderr
        assert (passwords, line.config.read_bytes()) == ({dan: "of the other desk"}, before)
        add_entry(line.config, dan, "advocate")
        assert (await invoke(words)).exit_code == 0
        assert passwords[dan] == (file.read_text().strip() if verb == "reset" else "")


def test_the_verb_is_for_joined_lines_and_private_tokens(tmp_path: Path) -> None:
    """On the line's own homeserver, and with a token that others can read, it is 2; the token is never shown."""
    token = tmp_path / "token"
    token.write_text(ADMIN)
    for inputs, mode, said in ((answers(), 0o600, "the line's own"), (joined(), 0o644, "readable by its owner only")):
        (home := tmp_path / json.dumps(mode)).mkdir()
        run_init(home, inputs)
        token.chmod(mode)
        result = CliRunner().invoke(cli, ["staff", "make", "--data", str(home / "line"), "--admin-token-file", str(token)])
        assert result.exit_code == 2
        assert said in result.stderr
        assert ADMIN not in result.output
