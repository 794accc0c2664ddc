"""Kannel itself: its bearerbox and smsbox, configured as `deploy/examples/kannel.yaml` says.

Rules of this module: it listens on this machine only, in a directory of the test; both programs are ended by their own ids.
`http-queue-delay` and the pauses before reconnecting are one second in place of ten, so that tests are short.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.e2e.polling import wait_until
from tests.fakes.kannel import LOGIN
from tests.free_ports import free_ports

CONFIGURATION: Final = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
dlr-storage = internal
store-type = file
store-location = {directory}/store
sms-resend-freq = 1
sms-resend-retry = -1

group = smsc
smsc = smpp
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = a-user
smsc-password = a-word
system-type = ""
source-addr-autodetect = true
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
http-request-retry = 8640
http-queue-delay = 1

group = sendsms-user
username = {user}
password = {password}
concatenation = true
max-messages = 10

group = sms-service
keyword = default
catch-all = true
max-messages = 0
omit-empty = true
send-sender = true
post-url = "{inbound}?id=%I"
"""


ATTEMPTS: Final = 3
CONNECTED: Final = "Connected to bearerbox"
"""What smsbox writes into its log as the last of its start."""


class DidNotStartError(Exception):
    """One of the two programs ended at once, or never listened."""


class KannelProgram:
    """Both programs. `base`: the URL of the interface for sending."""

    def __init__(self, *, programs: tuple[str, str], directory: Path, centre: int, inbound: str) -> None:
        self._programs, self._directory = programs, directory
        first = free_ports()
        self._admin, self._boxes, self._sendsms = first, first + 1, first + 2
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.base = f"http://127.0.0.1:{self._sendsms}"
        configuration = CONFIGURATION.format(
            admin=self._admin,
            boxes=self._boxes,
            sendsms=self._sendsms,
            directory=directory,
            centre=centre,
            inbound=inbound,
            user=LOGIN[0],
            password=LOGIN[1],
        )
        (directory / "kannel.conf").write_text(configuration, encoding="utf-8")

    async def start(self) -> None:
        """Start both, and wait until texts can be sent."""
        await self._run("bearerbox", self._boxes)
        before = self.log().count(CONNECTED)
        await self._run("smsbox", self._sendsms)

        async def connected() -> bool | None:
            return self.log().count(CONNECTED) > before or self._processes["smsbox"].returncode is not None or None

        # It listens before it has read its users, and refuses every login until then.
        await wait_until("smsbox has read its users", connected, every=0.02)
        if self._processes["smsbox"].returncode is not None:
            raise DidNotStartError(self.log())

    async def kill(self, name: str) -> None:
        """Kill one of the two."""
        process = self._processes.pop(name)
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def stop(self) -> None:
        """End both programs, if they run."""
        for name in tuple(self._processes):
            await self.kill(name)

    def log(self) -> str:
        """Return the output of both."""
        return "".join(file.read_text(errors="replace") for file in sorted(self._directory.glob("*.log")))

    async def _run(self, name: str, port: int) -> None:
        program = dict(zip(("bearerbox", "smsbox"), self._programs, strict=True))[name]
        with (self._directory / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                program, "-v", "0", str(self._directory / "kannel.conf"), cwd=self._directory, stdout=log, stderr=log
            )
        for _ in range(600):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                if self._processes[name].returncode is not None:
                    raise DidNotStartError(self.log()) from None
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
        raise DidNotStartError(self.log())


@asynccontextmanager
async def kannel_program(
    programs: tuple[str, str], directory: Path, *, centre: int, inbound: str
) -> AsyncIterator[KannelProgram]:
    """Run Kannel in that directory, in front of the message centre at that port."""
    kannel = KannelProgram(programs=programs, directory=directory, centre=centre, inbound=inbound)
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            await kannel.start()
            break
        except DidNotStartError:
            # Another process of the tests may have taken the port in between.
            await kannel.stop()
            if not attempts_left:
                raise
            kannel = KannelProgram(programs=programs, directory=directory, centre=centre, inbound=inbound)
    try:
        yield kannel
    finally:
        await kannel.stop()
