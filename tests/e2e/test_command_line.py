"""The command line beside a running line."""

from __future__ import annotations

import json
import stat

from tests.e2e.stack import Stack, run


async def test_status_tells_a_program_that_all_is_well(stack: Stack) -> None:
    """`status --json` exits 0 and answers `{"ok", "checks": [{"name","ok","what","do"}]}`."""
    code, out = await run(stack.command("status", "--json", "--data", str(stack.data)))
    report = json.loads(out)
    assert (code, report["ok"]) == (0, True)
    assert report["checks"]
    assert all(check.keys() == {"name", "ok", "what", "do"} for check in report["checks"])


async def test_a_second_up_on_the_same_directory_refuses(stack: Stack) -> None:
    """A second `up` exits 2 with a sentence that names the directory, and the first one goes on."""
    before = stack.ready
    code, out = await run(stack.command("up", "--data", str(stack.data), "--port-base", str(stack.base)))
    assert code == 2
    assert str(stack.data) in out
    assert stack.ready == before


async def test_what_up_wrote_is_its_owners_only(stack: Stack) -> None:
    """`ready.json` and every secret can be read by the owner only."""
    files = [stack.ready_file, *(stack.data / "secrets").iterdir()]
    assert len(files) > 5
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
