"""`audit-dependencies`: what is known, that nothing is, and that nobody could be asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deploy.release import lock_file
from deploy.release.lock_file import LOCKS, read_lock
from tests.deploy.verb import invoke
from tests.fakes.served import served

LOCK = "aiofiles==25.1.0 \\\n    --hash=sha256:{0}\nsix==1.17.0 \\\n    --hash=sha256:{0}\n".format("0" * 64)


class FakeOsv:
    """Answers as api.osv.dev does. `known`: what it has about packages, by name; `asked`: about what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        question = json.loads(await request.text())
        self.asked.append(question)
        advisories = self.known.get(question["package"]["name"])
        return web.json_response({"vulns": advisories} if advisories else {})


@pytest.fixture
async def osv() -> AsyncIterator[FakeOsv]:
    fake, app = FakeOsv(), web.Application()
    app.router.add_post("/v1/query", fake.answer)
    async with served(app) as url:
        fake.url = f"{url}/v1/query"
        yield fake


@pytest.fixture(autouse=True)
def short_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two packages locked."""
    (tmp_path / "runtime.txt").write_text(LOCK)
    monkeypatch.setattr(lock_file, "LOCKS", tmp_path)


async def test_nothing_is_known(osv: FakeOsv) -> None:
    """0; OSV learns names and versions, and nothing else."""
    result = await invoke(["audit-dependencies", "--osv-url", osv.url])
    assert (result.exit_code, result.stdout) == (0, "2 packages were asked about; 0 things are known against them.\n")
    assert sorted((each["package"]["name"], each["version"]) for each in osv.asked) == [
        ("aiofiles", "25.1.0"),
        ("six", "1.17.0"),
    ]
    assert {frozenset(each) for each in osv.asked} == {frozenset({"package", "version"})}


async def test_what_is_known_is_told(osv: FakeOsv) -> None:
    """1, with the package, the id and the version that is without it."""
    events = [{"introduced": "0"}, {"fixed": "1.18.0"}]
    affected = [{"package": {"name": "six", "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    osv.known["six"] = [{"id": "PYSEC-2026-1", "summary": "bad", "affected": affected}]
    result = await invoke(["audit-dependencies", "--osv-url", osv.url])
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, "six 1.17.0: PYSEC-2026-1; fixed in 1.18.0")
    report = json.loads((await invoke(["audit-dependencies", "--json", "--osv-url", osv.url])).stdout)
    assert (report["asked"], report["packages"], report["vulnerabilities"][0]["identity"]) == (True, 2, "PYSEC-2026-1")


async def test_without_a_network_that_is_said() -> None:
    """2 and a sentence: no answer is no good news."""
    result = await invoke(["audit-dependencies", "--osv-url", "http://127.0.0.1:9/v1/query"])
    assert (result.exit_code, "could not be asked" in result.stderr, result.stdout) == (2, True, "")
    assert "Nothing is known, neither good nor bad" in result.stderr


def test_the_tool_is_locked() -> None:
    """What audits is installed from hashes too."""
    assert {"pip-audit", "cyclonedx-python-lib"} <= {package.name for package in read_lock(LOCKS / "release.txt")}
