"""The configuration: strict, all errors at once, no value ever shown; and one bridge per directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.app.main import main
from bridge.config.load import ConfigError, load
from bridge.runtime import log
from bridge.runtime.settings import credential_name
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import Vault
from tests.bridge.papers import FILES, Papers
from tests.e2e.stack import ROOT
from tests.fakes.key_file_reader import wrapped_keys

PROGRAM = "import pathlib, sys; from bridge.app.main import main; sys.exit(main(pathlib.Path(sys.argv[1])))"


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    return Papers(tmp_path)


def test_a_right_configuration_is_read(papers: Papers) -> None:
    """What is right is taken, and names follow from it."""
    config = load(papers.save())
    assert config.policy_mxid == "@policy:quietline.localhost"
    assert config.puppet_mxid == "@line-main:quietline.localhost"


def with_canary(papers: Papers, **changed: Any) -> Papers:
    """Add a canary's section."""
    papers.secrets["canary"] = secrets.token_hex(32)
    papers.write("canary", papers.secrets["canary"])
    papers.raw["canary"] = {"secret_file": papers.file("canary"), **changed}
    return papers


def test_there_is_no_canary_unless_it_is_asked_for(papers: Papers) -> None:
    """Off by default; with its section and a secret of its own, its account follows from it."""
    assert (load(papers.save()).canary, load(papers.save()).canary_mxid) == (None, "")
    config = load(with_canary(papers).save())
    assert config.canary_mxid == "@canary:quietline.localhost"
    assert config.canary is not None
    assert config.canary.limit <= 110, "it is told within two minutes"


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"localpart": "ada"}, "canary.localpart"),
        ({"localpart": "policy"}, "canary.localpart"),
        ({"localpart": "line-other"}, "canary.localpart"),
        ({"slow": 60, "limit": 30}, "canary.slow"),
        ({"limit": 120}, "canary.limit"),
        ({"every": 1}, "canary.every"),
    ],
)
def test_a_canary_is_nobody_and_in_time(papers: Papers, changed: dict[str, Any], path: str) -> None:
    """Its account is nobody else's, and what it finds is told within two minutes."""
    (problem,) = with_canary(papers, **changed).problems()
    assert problem.startswith(f"{path}: ")


def test_a_canary_has_no_handset_in_a_telephone_network(papers: Papers) -> None:
    """Only the rehearsal carrier has a handset for it; its secret is none of the line's keys."""
    papers.line["rehearsal"] = False
    papers.line["carrier"] = {
        "kind": "kannel",
        "api_base": "http://127.0.0.1:13013",
        "username": "quietline",
        "password_file": papers.file("carrier_token"),
        "path_secret_file": papers.file("signing_key"),
        "plain_numbers": "international",
        "region": "US",
    }
    papers.raw["canary"] = {"secret_file": papers.file("vault_key"), "handset": True}
    problems = papers.problems()
    assert any(problem.startswith("canary.handset: ") for problem in problems)
    assert any(problem.startswith("keys: ") for problem in problems)


def test_all_errors_are_told_at_once_with_their_paths(papers: Papers) -> None:
    """Several mistakes in several places are one answer, each with the path to it."""
    papers.raw["typo"] = 1
    papers.raw["listen"]["port"] = "no port"
    papers.line["slug"] = "Not A Slug"
    papers.line["number"] = "555-0100"
    del papers.line["carrier"]["token_file"]
    papers.line["staff"][0]["role"] = "boss"
    paths = {problem.split(": ")[0] for problem in papers.problems()}
    assert {"typo", "listen.port", "lines.0.slug", "lines.0.number", "lines.0.staff.0.role"} <= paths
    assert any("token_file" in path for path in paths)


@pytest.mark.parametrize(
    "mxid", ["ada", "@ada", "@ada:other.example", "@Ada:quietline.localhost", "ada:quietline.localhost", ""]
)
def test_staff_have_accounts_on_the_homeserver(papers: Papers, mxid: str) -> None:
    """Whoever could not be invited is a mistake at the start, and not a room that never comes to be."""
    papers.line["staff"][0]["mxid"] = mxid
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.staff.0.mxid: ")
    assert "@name:quietline.localhost" in problem


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.raw.update(secret_token="x"),
        lambda p: p.raw["homeserver"].update(as_token="x"),
        lambda p: p.raw["keys"].update(vault_key="x"),
        lambda p: p.line.update(greeting="x"),
        lambda p: p.line["carrier"].update(token="x"),
        lambda p: p.line["staff"][0].update(name="x"),
    ],
)
def test_an_unknown_key_is_an_error_everywhere(papers: Papers, spoil: Callable[[Papers], None]) -> None:
    """A key that nobody reads is a mistake, wherever it stands."""
    spoil(papers)
    (problem,) = papers.problems()
    assert "unknown key" in problem


def test_values_are_never_shown(papers: Papers) -> None:
    """A secret that a person wrote where its file belongs, or a number, is not repeated by the error."""
    papers.raw["listen"]["port"] = "hunter2"
    papers.line["number"] = "hunter2"
    papers.line["staff"] = "hunter2"
    assert "hunter2" not in "".join(papers.problems())


def test_a_kind_of_carrier_that_there_is_not_is_not_shown(papers: Papers) -> None:
    """A token that a person wrote where the kind belongs is not repeated; the kinds that there are stand there."""
    papers.line["carrier"]["kind"] = "hunter2"
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.carrier: must be one of 'rehearsal', 'twilio', ")
    assert "hunter2" not in problem


@pytest.mark.parametrize("key", ["+12065550142", "(206) 555-0142", 12065550142])
def test_a_key_that_is_a_number_is_not_shown(papers: Papers, key: Any) -> None:
    """A phone number that a person wrote as a key is in no error, which a log and a report of `doctor` repeat."""
    papers.line[key] = "the night phone"
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.(a number): ")
    assert "0142" not in problem


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o777])
@pytest.mark.parametrize("name", FILES)
def test_a_secret_that_others_can_read_is_refused(papers: Papers, name: str, mode: int) -> None:
    """Each secret's file must be its owner's alone."""
    papers.write(name, papers.secrets[name], mode)
    (problem,) = papers.problems()
    assert "chmod 600" in problem


def test_every_bad_secret_is_told_at_once(papers: Papers) -> None:
    """Missing, empty, open, too short and equal secrets: one sentence each."""
    (papers.directory / "as_token").unlink()
    papers.write("carrier_token", "")
    papers.write("signing_key", papers.secrets["signing_key"], 0o644)
    papers.write("vault_key", "abc")
    papers.write("index_key", "abc")
    problems = papers.problems()
    assert len(problems) == 6
    assert "homeserver.as_token_file: the file cannot be read" in problems
    assert "lines.0.carrier.token_file: the file is empty" in problems
    assert "keys.vault_key_file: the file must hold 32 bytes in hex" in problems
    assert "keys: the keys must be different" in problems


def test_a_secret_that_a_unit_is_not_handed(papers: Papers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named by the configuration later: its unit is closed to the file; the sentence has the line that is missing."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = papers.directory / "as_token"
    file.unlink()
    (problem,) = papers.problems()
    assert problem.startswith("homeserver.as_token_file: the file cannot be read, and is not handed over")
    assert problem.endswith(f"(a unit: LoadCredential={credential_name(file)}:{file})")


@pytest.mark.parametrize("name", ["as_token", "carrier_token", "signing_key"])
@pytest.mark.parametrize("value", ["hunter2\nhunter2", "hunter2\r\nhunter2", "hunter2\x00", "hunter2\u2028hunter2"])
def test_a_secret_is_one_line(papers: Papers, name: str, value: str) -> None:
    """A token that was pasted with a second line could be sent in no header: the start ends, and shows nothing of it."""
    papers.write(name, value)
    (problem,) = papers.problems()
    assert problem.endswith(f"{name}_file: the file must hold one line of text and no more".removeprefix("carrier_"))
    assert "hunter2" not in problem


@pytest.mark.parametrize("port", [-1, 0, 65536, 70000])
def test_ports_are_ports(papers: Papers, port: int) -> None:
    """A port that nothing can listen at, or mail be sent to, is a mistake at the start."""
    papers.raw["listen"]["port"] = port
    papers.line["on_call"] = {
        "email": {"host": "mail.example", "port": port, "sender": "a@x.example", "to": ["b@x.example"]}
    }
    listen, email = papers.problems()
    assert listen.startswith("listen.port: ")
    assert email.startswith("lines.0.on_call.email.port: ")


@pytest.mark.parametrize("key", ["user", "password_file"])
def test_a_login_for_mail_is_whole(papers: Papers, key: str) -> None:
    """With one half of it no login was made, and the first call by e-mail was refused."""
    papers.line["on_call"] = {
        "email": {"host": "mail.example", "sender": "a@x.example", "to": ["b@x.example"], key: "/a/file"}
    }
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.on_call.email: ")
    assert "`user` and `password_file`" in problem


@pytest.mark.parametrize("url", ["not a url", "127.0.0.1:8008", "http://homeserver.example", "http://127.0.0.1:8008/", ""])
def test_the_homeserver_has_an_address(papers: Papers, url: str) -> None:
    """Where the homeserver is has to be said as other addresses are; else no start."""
    papers.raw["homeserver"]["url"] = url
    (problem,) = papers.problems()
    assert problem.startswith("homeserver.url: ")


def test_the_policy_bot_is_not_the_texter_puppet(papers: Papers) -> None:
    """One account for both identities is a mistake at the start."""
    papers.raw["homeserver"]["policy_localpart"] = "line-main"
    (problem,) = papers.problems()
    assert problem.startswith("homeserver.policy_localpart: ")


def test_a_real_line_cannot_use_the_rehearsal_carrier(papers: Papers) -> None:
    """Only a line that says it is a rehearsal may use the carrier without a telephone network."""
    papers.line["rehearsal"] = False
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.carrier: ")
    assert "rehearsal" in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [("database_url_file", "/url"), ("own_core", True), ("other_lines", [{"registration": "/r", "policy": "@p:x"}])],
)
def test_what_is_for_a_homeserver_of_ours(papers: Papers, key: str, value: object) -> None:
    """Settings of the homeserver that `up` runs would be read by nothing for an agency's own one."""
    papers.raw["homeserver"] |= {key: value, "joined": True}
    assert any(problem.startswith(f"homeserver.{key}: is for a homeserver that `up` runs") for problem in papers.problems())


def test_drills_are_for_a_rehearsal(papers: Papers) -> None:
    """A line in service names no drills: its texters are people."""
    papers.line["drills"] = ["our-drills"]
    assert load(papers.save()).line.drills == ["our-drills"]
    papers.line["rehearsal"] = False
    assert any(problem.startswith("lines.0.drills: ") for problem in papers.problems())


def test_a_rehearsal_cannot_use_a_carrier_that_reaches_phones(papers: Papers) -> None:
    """Nothing that reaches phones runs with a rehearsal's words, and nobody is trusted on first use there."""
    papers.line["carrier"] = {
        "kind": "twilio",
        "account_sid": "AC00000000000000000000000000000000",
        "auth_token_file": papers.line["carrier"]["token_file"],
    }
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.rehearsal: ")
    assert "twilio reaches phones" in problem
    papers.line["rehearsal"] = False
    assert load(papers.save()).line.carrier.kind == "twilio"


@pytest.mark.parametrize(
    ("listen", "exposed", "well"),
    [
        ("127.0.0.1:9464", False, True),
        ("localhost:9464", False, True),
        ("[::1]:9464", False, True),
        ("10.1.2.3:9464", False, True),
        ("0.0.0.0:9464", False, False),
        ("[::]:9464", False, False),
        ("93.184.216.34:9464", False, False),
        ("metrics.example.org:9464", False, False),
        ("0.0.0.0:9464", True, True),
        ("127.0.0.1:9", False, False),
        ("127.0.0.1", True, False),
        ("127.0.0.1:0", True, False),
        (":9464", True, False),
        ("http://127.0.0.1:9464", True, False),
        ("127.0.0.1:9464/metrics", True, False),
        ("a@127.0.0.1:9464", True, False),
    ],
)
def test_metrics_listen_where_the_own_network_reaches_them(papers: Papers, listen: str, exposed: bool, well: bool) -> None:
    """All addresses and public ones need a word, for metrics say when texts come; the webhooks' port is never shared."""
    papers.raw["metrics"] = {"listen": listen} | ({"exposed": True} if exposed else {})
    if well:
        config = load(papers.save())
        assert config.metrics is not None
        host, port = config.metrics.address
        assert listen.replace("[", "").replace("]", "") == f"{host}:{port}"
    else:
        assert [problem.split(":")[0].split(".")[0] for problem in papers.problems()] == ["metrics"]


@pytest.mark.parametrize("lines", [[], None, "x"])
def test_there_is_exactly_one_line(papers: Papers, lines: Any) -> None:
    """No line, or no list, is an error."""
    papers.raw["lines"] = lines
    assert all(problem.startswith("lines") for problem in papers.problems())


@pytest.mark.parametrize(
    "content",
    [b"", b"- a", b"a: [", b"\xff\xfe\x00", b"a: 2024-99-99", b"&a [*a]", b"[" * 3000, b"!!python/object:os.system x"],
    ids=["empty", "list", "broken", "not UTF-8", "date", "itself", "deep", "tag"],
)
def test_a_file_that_is_no_configuration_is_one_sentence(papers: Papers, content: bytes) -> None:
    """Whatever stands in the file, the answer names the file and shows nothing of it."""
    papers.path.write_bytes(content)
    with pytest.raises(ConfigError) as failure:
        load(papers.path)
    assert all(problem.startswith(f"{papers.path}: ") for problem in failure.value.problems)


@pytest.mark.parametrize(("more", "key"), [("lines: []", "lines"), ("log: a\nlog: b", "log")])
def test_a_key_that_stands_twice_is_refused(papers: Papers, more: str, key: str) -> None:
    """The second one won in silence: of two `staff` the people of the first were on no line, and no check said so."""
    text = papers.save().read_text(encoding="utf-8").rstrip()
    papers.path.write_text(f"{text}\n{more}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as failure:
        load(papers.path)
    line = len(f"{text}\n{more}".splitlines())
    assert failure.value.problems == [f"{papers.path}: line {line}: the key {key} is there twice; take one out"]


def test_what_an_editor_of_windows_writes_is_read(papers: Papers) -> None:
    """A mark of the byte order, and carriage returns."""
    text = papers.save().read_text(encoding="utf-8")
    as_it_was = load(papers.path)
    papers.path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(papers.path) == as_it_was


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A configuration that is not there is said so."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.yaml")


class TestTheProgram:
    """The bridge itself, started on a bad configuration: `start` as a process, `ends` in this one, which is quicker."""

    @staticmethod
    def ends(papers: Papers, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        umask = os.umask(0o077)
        try:
            return main(papers.save()), capsys.readouterr().err
        finally:
            os.umask(umask)

    @staticmethod
    def start(papers: Papers) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, str(papers.save())]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    def test_two_bridges_on_one_directory(
        self, papers: Papers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second one ends with 2 and says why, before it has touched anything."""
        monkeypatch.setattr(log, "configure", lambda _level: None)
        data = Path(papers.raw["data_dir"])
        data.mkdir()
        with (data / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.ends(papers, capsys)
        assert done == (2, f"{data}: another bridge runs on this directory, or a command works on it\n")
        assert [path.name for path in data.iterdir()] == ["lock"]

    def test_a_command_on_the_directory_of_a_line_on_a_server(
        self, papers: Papers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It ends soon: the bridge says so and ends with 1, for another start finds the directory free."""
        monkeypatch.setattr(log, "configure", lambda _level: None)
        papers.write("database_url", "postgresql://quietline@127.0.0.1:9/x")
        papers.raw["database"] = {"url_file": papers.file("database_url")}
        data = Path(papers.raw["data_dir"])
        data.mkdir()
        with (data / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = self.ends(papers, capsys)
        assert done == (1, f"{data}: a command works on this directory\n")

    def test_a_bad_configuration(self, papers: Papers) -> None:
        """Every problem is a line on standard error, and the exit code is 2."""
        papers.write("as_token", "x", 0o644)
        papers.write("vault_key", "x")
        done = self.start(papers)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 2
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda p: p.write("carrier_token", "ab\ncd"),
            lambda p: p.raw["listen"].update(port=70000),
            lambda p: p.raw["homeserver"].update(url="not a url"),
            lambda p: p.raw["homeserver"].update(policy_localpart="line-main"),
            lambda p: p.line["carrier"].update(api_base="https://a..example"),
        ],
        ids=["two lines", "port", "homeserver", "policy", "carrier"],
    )
    def test_what_could_only_fail_later(
        self, papers: Papers, spoil: Callable[[Papers], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What would break the line once it runs is told at the start: one sentence that names the file, exit code 2."""
        spoil(papers)
        code, sentence = self.ends(papers, capsys)
        assert code == 2
        assert sentence.startswith(f"{papers.path}: ")
        assert len(sentence.splitlines()) == 1

    def test_a_bad_pack(self, papers: Papers, capsys: pytest.CaptureFixture[str]) -> None:
        """A pack beside the configuration is found by its relative path, and its errors end the start as well."""
        (papers.directory / "own.yaml").write_text("name: own\nunheard: 1\n", encoding="utf-8")
        papers.line["packs"] = ["base", "rehearsal", "./own.yaml"]
        assert self.ends(papers, capsys) == (2, "./own.yaml: unheard: unknown key\n")

    def test_another_installations_key(self, papers: Papers) -> None:
        """A vault key that does not open what is there ends the program with 2, and nothing of it is overwritten."""
        data = Path(papers.raw["data_dir"])
        data.mkdir()
        asyncio.run(_foreign_keys(data / "keys.db"))
        before = wrapped_keys(data / "keys.db")
        done = self.start(papers)
        assert done.returncode == 2
        assert "main.db: missing" in done.stderr
        assert wrapped_keys(data / "keys.db") == before != {}


async def _foreign_keys(path: Path) -> None:
    keys = KeyFile(path=path)
    await keys.open()
    await Vault(keys=keys, vault_key=secrets.token_bytes(32), index_key=bytes(32)).create("desk")
    await keys.close()


@pytest.mark.parametrize(
    "address",
    [
        "http://plan.agency.org/plan.ics",
        "webcal://plan.agency.org/plan.ics",
        "https://user:secret@plan.agency.org/plan.ics",
        "https://127.0.0.1/plan.ics",
        "https://[::1]/plan.ics",
        "https://2130706433/plan.ics",
        "https://127.1/plan.ics",
        "https://localhost/plan.ics",
        "https://plan/plan.ics",
        "https:///plan.ics",
        "https://plan.agency.org:0/plan.ics",
        "https://plan.agency.org/plan file.ics",
        "/srv/line/plan.ics",
    ],
)
def test_an_address_of_a_calendar_is_of_the_public_network(papers: Papers, address: str) -> None:
    """It is https to a host with a name of the public network; what else stands in the file is refused, and not shown."""
    papers.line["calendar"] = {"address_file": papers.file("calendar")}
    papers.write("calendar", address)
    (problem,) = papers.problems()
    assert problem.startswith("lines.0.calendar.address_file: ")
    assert "plan" not in problem


def test_a_calendar_is_a_file_or_an_address(papers: Papers) -> None:
    """One of the two; the address is a secret like any other."""
    papers.write("calendar", "https://plan.agency.org:8443/private-7f3a/plan.ics?key=1")
    papers.line["calendar"] = {"address_file": papers.file("calendar")}
    assert load(papers.save()).line.calendar is not None
    papers.line["calendar"] = {"file": papers.file("plan.ics")}
    assert load(papers.save()).line.calendar is not None
    for wrong in ({}, {"file": "plan.ics", "address_file": papers.file("calendar")}):
        papers.line["calendar"] = wrong
        assert papers.problems() == ["lines.0.calendar: give `file`, or `address_file`, and not both"]
    papers.line["calendar"] = {"address_file": papers.file("calendar")}
    papers.write("calendar", "https://plan.agency.org/plan.ics", mode=0o644)
    assert papers.problems() == ["lines.0.calendar.address_file: the file must be readable by its owner only (chmod 600)"]
