"""An agency's own Synapse, whose administrator pastes the files that `quietline init` wrote.

Rule of this module: of Quietline only the module is on its import path, and of its settings only the pasted ones are ours.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.e2e.polling import wait_until
from tests.e2e.stack import ROOT, run

ADMIN, ADMIN_PASSWORD = "boss", "the administrator's own words"
SECRET = "registration for the administrator's own tools"
START_SECONDS = 60.0


class JoinedSynapse:
    """One Synapse in its own directory, at a port. `place`: the path for the copied registration."""

    def __init__(self, directory: Path, port: int, server_name: str) -> None:
        self.directory, self.server_name = directory, server_name
        self.url = f"http://127.0.0.1:{port}"
        self.place = directory / "etc" / "quietline-registration.yaml"
        self._port = port
        self._config = directory / "etc" / "homeserver.yaml"
        self._pasted = directory / "etc" / "conf.d" / "quietline.yaml"

    def set_up(self) -> None:
        """Write the earlier configuration of an agency, with its own people and without federation."""
        self._pasted.parent.mkdir(parents=True)
        listener = {
            "type": "http",
            "port": self._port,
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client"]}],
        }
        configuration: dict[str, Any] = {
            "server_name": self.server_name,
            "public_baseurl": f"{self.url}/",
            "listeners": [listener],
            "database": {"name": "sqlite3", "args": {"database": str(self.directory / "homeserver.db")}},
            "media_store_path": str(self.directory / "media"),
            "pid_file": str(self.directory / "pid"),
            "signing_key_path": str(self.directory / "signing.key"),
            "macaroon_secret_key": "macaroon",
            "form_secret": "form",
            "registration_shared_secret": SECRET,
            "report_stats": False,
            "ip_range_whitelist": ["127.0.0.1"],  # the test's push gateway is on this machine
            "trusted_key_servers": [],
        }
        self._config.write_text(yaml.safe_dump(configuration))

    def paste(self, written: Path) -> None:
        """Do what the checklist of a line says, with the files beside it in `synapse/`."""
        shutil.copyfile(written / "quietline-registration.yaml", self.place)
        self.place.chmod(0o600)
        shutil.copyfile(written / "quietline.yaml", self._pasted)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run Synapse during the block."""
        words = ["--config-path", str(self._config), "--config-path", str(self._pasted.parent)]
        generate = [sys.executable, "-P", "-m", "synapse.app.homeserver", *words, "--generate-keys"]
        code, said = await run(["env", f"PYTHONPATH={self._module_path}", *generate])
        assert code == 0, said
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "synapse.app.homeserver", *words),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": self._module_path},
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=(self.directory / "log").open("ab"),
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await wait_until("the agency's Synapse answers", lambda: self._answers(process), within=START_SECONDS)
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def make_account(self, user: str, password: str, *, admin: bool = False) -> None:
        """Make an account with Synapse's own tool, as an administrator does."""
        tool = [sys.executable, "-P", "-m", "synapse._scripts.register_new_matrix_user", "-c", str(self._config)]
        words = ["-u", user, "-p", password, "--admin" if admin else "--no-admin", self.url]
        code, said = await run(["env", f"PYTHONPATH={self._module_path}", *tool, *words])
        assert code == 0, said

    async def admin_token(self) -> str:
        """Make the administrator, sign in and return the token."""
        await self.make_account(ADMIN, ADMIN_PASSWORD, admin=True)
        return await self.token(ADMIN, ADMIN_PASSWORD)

    async def token(self, user: str, password: str) -> str:
        """Log a user in on a further device, and return its token."""
        who = {"type": "m.id.user", "user": user}
        body = {"type": "m.login.password", "identifier": who, "password": password}
        async with aiohttp.ClientSession(self.url) as http, http.post("/_matrix/client/v3/login", json=body) as answer:
            assert answer.status == 200
            return str((await answer.json())["access_token"])

    @property
    def _module_path(self) -> str:
        return str(ROOT / "deploy" / "synapse_module")

    async def _answers(self, process: Process) -> bool:
        if process.returncode is not None:
            raise AssertionError((self.directory / "log").read_text()[-2000:])
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession(self.url) as http, http.get("/_matrix/client/versions") as answer:
                return answer.status == 200
        return False
