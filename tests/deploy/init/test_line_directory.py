"""`quietline init`: all of a line's directory, or nothing."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bridge.config.load import load
from deploy.cli.main import cli
from deploy.data_dir.handouts import Handout
from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import first_accounts, write_line_files
from policies.lint import lint
from policies.load import load as load_packs
from policies.pack import TextName, samples, unreviewed
from tests.deploy.init.answers import PASSWORD, PATH_SECRET, answers, answers_file, joined, run_init
from tests.deploy.processes import ROOT
from tests.fakes.full_disk import cut_off_at

REVIEW = {"by": "Counsel", "on": date(2027, 1, 15)}
EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "init" / "answers.yaml"


def tree(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def pack_of(line: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    pack = load_packs(load(line / "config.yaml").line.packs, near=line)
    return unreviewed(pack), samples(pack)


def test_everything_is_written_private(tmp_path: Path) -> None:
    """Each part is there, closed to others; configuration and packs are such that a line starts with them."""
    result = run_init(tmp_path, answers(reviewed=REVIEW))
    assert (result.exit_code, result.stderr) == (0, "")
    line = tmp_path / "line"
    assert {
        "config.yaml",
        "agency.yaml",
        "CHECKLIST.md",
        "handout/mira.txt",
        "handout/noor.txt",
        "proxy/Caddyfile",
        "units/quietline.service",
        "secrets/carrier_password",
        "secrets/vault.key",
    } <= tree(line)
    assert {stat.S_IMODE(path.stat().st_mode) for path in line.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in [line, *line.rglob("*")] if path.is_dir()} == {0o700}
    assert {path.name for path in tmp_path.iterdir()} == {"line", "answers.yaml"}
    config = load(line / "config.yaml")
    assert (config.homeserver.server_name, config.listen.public_base_url) == ("text.agency.org", "https://text.agency.org")
    assert [staff.mxid for staff in config.line.staff] == ["@mira:text.agency.org", "@noor:text.agency.org"]
    assert pack_of(line) == ((), ())
    text = "".join(path.read_text() for path in line.rglob("*") if path.is_file() and path.parent.name != "secrets")
    assert PASSWORD not in text
    assert PATH_SECRET not in text
    mira = Handout.read(line / "handout" / "mira.txt")
    assert (mira.homeserver, mira.user) == ("https://text.agency.org", "@mira:text.agency.org")
    assert text.count(mira.password) == 1


def test_without_a_review_the_legal_words_are_left_for_counsel(tmp_path: Path) -> None:
    """It is written all the same; what keeps it from starting is what counsel has to read, and nothing else."""
    assert run_init(tmp_path, answers()).exit_code == 0
    open_texts, examples = pack_of(tmp_path / "line")
    assert {"limits.en", "limits.es", "rights.es"} <= set(open_texts)
    assert examples == ()
    assert f"Counsel reads {len(open_texts)} legal wordings" in (tmp_path / "line" / "CHECKLIST.md").read_text()
    named = CliRunner().invoke(cli, ["policy", "lint", "--data", str(tmp_path / "line")])
    assert named.exit_code == 1
    shown = named.stdout.replace(".wordings.", ".")
    assert [name for name in open_texts if name not in shown] == [], "the checklist's command names them"


def test_a_line_of_one_language_offers_no_other(tmp_path: Path) -> None:
    """The base pack's greeting names Spanish, and ES would be answered by nobody who speaks it."""
    agency = answers()["agency"] | {"languages": ["en"]}
    run_init(tmp_path, answers(reviewed=REVIEW, agency=agency))
    line = tmp_path / "line"
    pack = load_packs(load(line / "config.yaml").line.packs, near=line)
    assert [finding for finding in lint(pack) if finding.must] == []
    assert pack.say(TextName.GREETING).endswith("You can stop answering any time.")
    assert not [text.name for text, _, wording in pack.wordings if "Español" in wording.text]


def test_a_word_changed_after_the_review_is_unreviewed(tmp_path: Path) -> None:
    """The review is of exactly the words that were read: one more letter, and that text alone is to be read again."""
    run_init(tmp_path, answers(reviewed=REVIEW))
    file = tmp_path / "line" / "agency.yaml"
    pack = yaml.safe_load(file.read_text())
    pack["texts"]["limits"]["wordings"]["es"]["text"] += "!"
    file.write_text(yaml.safe_dump(pack))
    assert pack_of(tmp_path / "line") == (("limits.es",), ())


def test_a_dry_run_prints_the_legal_words_and_writes_nothing(tmp_path: Path) -> None:
    """Counsel gets each legal text as the phone will get it, with its statute; no directory is made."""
    result = run_init(tmp_path, answers(), "--dry-run")
    assert result.exit_code == 0
    assert "limits.en (Cal. Penal Code § 11164 et seq.):\n  Before you share more: the law may make us" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"answers.yaml"}


def test_a_rehearsal_has_the_people_of_the_answers(tmp_path: Path) -> None:
    """It needs no carrier; its accounts are the staff of the answers, for `ready.json` and in hand-outs alike."""
    result = run_init(tmp_path, answers(mode="rehearsal", carrier=None, server_name=None, public_url=None))
    assert (result.exit_code, result.stderr) == (0, "")
    layout = Layout(tmp_path / "line")
    config = write_line_files(layout, Ports(20000))
    assert (config.line.rehearsal, config.line.packs[-2:]) == (True, ["rehearsal", "agency.yaml"])
    (mira, noor) = first_accounts(layout)
    assert [mira.user, noor.user] == ["mira", "noor"]
    assert Handout.read(layout.handout / "noor.txt").password == noor.password
    assert Handout.read(layout.handout / "noor.txt").homeserver == "http://127.0.0.1:20000"


def as_made(path: Path) -> tuple[int, ...]:
    """Return what tells that a path was left alone; that it was looked at changes only the time of that."""
    status = path.lstat()
    return status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A directory, even an empty one, a file and a dangling link are left as they are."""
    makers: tuple[Callable[[Path], object], ...] = (
        Path.mkdir,
        Path.touch,
        lambda path: path.symlink_to(path.parent / "nowhere"),
    )
    for make in makers:
        make(line := tmp_path / "line")
        before = as_made(line)
        result = run_init(tmp_path, answers())
        assert result.exit_code == 2
        assert "exists" in result.stderr
        assert as_made(line) == before
        if line.is_dir():
            line.rmdir()
        else:
            line.unlink()


HALF = [
    ({"staff": None}, ["staff: is needed"]),
    ({"agency": None, "server_name": None}, ["agency: is needed", "server_name: is needed"]),
    ({"server_name": "192.0.2.7"}, ["server_name: is an address"]),
    ({"server_name": "[2001:db8::1]"}, ["server_name: is an address"]),
    ({"server_name": "Text.agency.org"}, ["server_name: must not have capital letters"]),
    ({"server_name": "text.agency.org:8448"}, ["server_name: must be a name alone, without a port"]),
    ({"server_name": "https://text.agency.org"}, ["server_name: must be a name alone"]),
    ({"public_url": "https://text.agency.org/matrix"}, ["public_url: must be scheme and host alone"]),
    ({"public_url": "http://text.agency.org"}, ["public_url: only https"]),
    ({"carrier": {"kind": "rehearsal"}}, ["carrier.kind: the rehearsal carrier is for `mode: rehearsal` only"]),
    ({"carrier": {"kind": "pigeon"}}, ["carrier.kind: must be one of"]),
    (
        {"carrier": {"kind": "kannel", "password": 12345}},
        ["carrier.password: must be a secret", "carrier.username: is needed"],
    ),
    ({"carrier": {**answers()["carrier"], "path_secret": "short"}}, ["carrier.path_secret_file: the file must hold 32"]),
    (
        {"staff": [{"name": "mira", "role": "advocate"}] * 2},
        ["staff: a name is there twice", "staff: a supervisor is needed"],
    ),
    ({"staff": [{"name": "policy", "role": "supervisor"}]}, ["staff.0.name: is a name of the software's own"]),
    ({"staff": [{"name": "../mira", "role": "supervisor"}]}, ["staff.0.name: must be an account's name"]),
    ({"agency": {**answers()["agency"], "voice_number": "555-555-0123"}}, ["agency.voice_number: after_hours.en holds"]),
    ({"agency": {**answers()["agency"], "time_zone": "Mars/Olympus"}}, ["hours.timezone: this machine knows no such"]),
    (
        {"agency": {**answers()["agency"], "time_zone": "Mars/X", "hours": "always"}},
        ["hours.timezone: this machine knows no"],
    ),
    ({"line": {"number": "14155550100"}}, ["line.number: must be a whole number in quotes: + and country code"]),
    ({"line": {"number": 14155550100}}, ["line.number: must be text; put it in quotes"]),
    ({"line": {"number": "+14155550100", "slug": "Main"}}, ["line.slug: must be small letters, digits and hyphens"]),
    ({"reviewed": {"by": "", "on": "2026-11-01"}}, ["reviewed.by: must not be empty"]),
    ({"agency": {**answers()["agency"], "languages": ["en", "fr"]}}, ["texts.greeting.wordings.fr: no pack says it"]),
    ({"agency": {**answers()["agency"], "hours": {"fri-mon": "09:00-17:00"}}}, ["agency.hours: must name days"]),
    ({"agency": {**answers()["agency"], "hours": {"fri": "22:00-04:00"}}}, ["hours.week.fri.0: must end after it starts"]),
    ({"agency": {**answers()["agency"], "state": "ZZ"}}, ["agency: state: must be the two letters"]),
    ({"agency": {**answers()["agency"], "country": "FR"}}, ["agency.country: must be US or UK"]),
    ({"database": {"bridge_url": "mysql://x"}}, ["database.bridge_url: must be postgresql://USER:PASSWORD@HOST"]),
    ({"database": {"homeserver_url": "mysql://x"}}, ["database.homeserver_url: must be postgresql://USER:PASSWORD@HOST"]),
    ({"database": {"homeserver_url": "postgresql://x@db.agency.org/y"}}, ["database.homeserver_url: sslmode: must be ver"]),
    (
        {"mode": "join", "database": {"homeserver_url": "postgresql://x@y/z"}, "homeserver": {"url": "http://127.0.0.1:1"}},
        ["database.homeserver_url: is for `mode: embedded` only"],
    ),
    ({"mode": "join"}, ["homeserver: is needed"]),
    ({"mode": "join", "homeserver": {}, "server_name": None}, ["homeserver.url: is needed", "server_name: is needed"]),
    ({"mode": "join", "homeserver": {"url": "http://matrix.agency.org"}}, ["homeserver.url: only https"]),
    (
        {"mode": "join", "homeserver": {"url": "http://127.0.0.1:8008", "registration_file": "here.yaml"}},
        ["homeserver: registration_file: must be a whole path"],
    ),
    ({"homeserver": {"url": "http://127.0.0.1:8008"}}, ["homeserver: is for `mode: join` only"]),
    ({"on_call": {"webhook": "x", "webhook_file": "y"}}, ["on_call.webhook: is said twice"]),
    ({"nonsense": 1, "proxy": "caddy", "public_url": None}, ["nonsense: unknown key", "public_url: is needed for a proxy"]),
]


@pytest.mark.parametrize(("changed", "said"), HALF)
def test_half_answers_write_nothing(tmp_path: Path, changed: dict[str, object], said: list[str]) -> None:
    """Exit code 2, every problem at once with its key, no secret in it, and no file or directory."""
    result = run_init(tmp_path, answers(**changed))
    assert result.exit_code == 2, result.output
    assert not [one for one in said if f"quietline: {one}" not in result.stderr and one not in result.stderr], result.stderr
    assert PASSWORD not in result.output
    assert PATH_SECRET not in result.output
    assert "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"answers.yaml"}


def test_answers_that_others_can_read_are_refused(tmp_path: Path) -> None:
    """They hold secrets: mode 0640 is 2; so is a secret's own file that others can read, and what is no mapping."""
    assert "chmod 600" in (result := run_init(tmp_path, answers(), mode=0o640)).stderr
    assert result.exit_code == 2
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    carrier = {key: value for key, value in answers()["carrier"].items() if key != "password"}
    result = run_init(tmp_path, answers(carrier={**carrier, "password_file": str(secret)}))
    assert result.exit_code == 2
    assert "lines.0.carrier.password_file: the file must be readable by its owner only" in result.stderr
    for text in ("- a\n", "a: [", "\x00"):
        assert run_init(tmp_path, text).exit_code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"answers.yaml", "password"}


def test_a_disk_that_is_full_at_any_step_leaves_nothing(tmp_path: Path) -> None:
    """At whichever file it is full: 2, the reason, and neither a line nor a half of one; afterwards the line is made."""
    written = answers_file(tmp_path, joined())
    step, refused = 0, 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            writes = cut_off_at(step, patch)
            result = CliRunner().invoke(cli, ["init", str(tmp_path / "line"), "--answers", str(written)])
        if result.exit_code == 0:
            break
        assert (result.exit_code, os.strerror(errno.ENOSPC) in result.stderr) == (2, True), result.output
        assert {path.name for path in tmp_path.iterdir()} == {"answers.yaml"}
        step, refused = step + 1, refused + 1
    assert refused == len(writes) > 10
    assert (tmp_path / "line" / "CHECKLIST.md").is_file()


KILLED = """
import os, signal, sys
from pathlib import Path
left, opened, renamed = int(sys.argv[1]), os.open, Path.rename

def open_(path, flags, *words, **more):
    global left
    if flags & os.O_CREAT:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return opened(path, flags, *words, **more)

def rename(path, target):
    if path.name.endswith(".half"):
        os.kill(os.getpid(), signal.SIGKILL)
    return renamed(path, target)

os.open, Path.rename = open_, rename
from deploy.cli.main import main
sys.argv[1:] = sys.argv[2:]
main()
"""
"""`init` that is killed at the n-th file that it makes, or when all are there and the directory gets its name."""


def test_a_kill_at_any_point_leaves_no_directory(tmp_path: Path) -> None:
    """At the first file, in the middle, and before the last step: no line, and the next try makes a whole one."""
    line = tmp_path / "line"
    words = ("init", str(line), "--answers", str(answers_file(tmp_path, answers())))
    for step in (0, 12, 10_000):
        process = subprocess.run([sys.executable, "-P", "-c", KILLED, str(step), *words], cwd=ROOT, check=False)
        assert process.returncode == -signal.SIGKILL
        assert not line.exists()
        assert {path.name for path in tmp_path.iterdir()} <= {"answers.yaml", ".line.half"}
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert (line / "CHECKLIST.md").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"answers.yaml", "line"}
