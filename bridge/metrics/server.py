"""The listener of the metrics: `GET /metrics`, Prometheus text, and nothing else.

Rules of this module: figures are read on each request. Metrics never stop a line: a port that is in use is tried again, and
when the database fails the answer is 503, which Prometheus shows as `up == 0`. No request is logged.

Two figures are measured between requests. Whether the carrier answers, for a line that sends nothing for hours: the front
page of its address is requested, without a login and without data about this line, and any HTTP answer counts; a refused
login shows in the line's own requests, and in `quietline carrier check`. How long the oldest event has been in the inbox,
which has no times: its sequence numbers are read every few seconds, and an age counts from the first read that found the
event or a later one. Events that were there at the start count from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bot.model.desk import Desk
from bridge.background.loop import BackgroundLoop
from bridge.config.sections import Config, MetricsSettings
from bridge.inbound.arrivals import HOUR, ArrivalHistory
from bridge.matrix.room_keys.confirmed_identities import count_confirmed_supervisors
from bridge.runtime import log
from bridge.services import Services
from bridge.storage.database import Database
from bridge.storage.errors import DatabaseError
from bridge.tables import dead_letters, erasure_jobs, inbox, line_state, outbox, sent_texts

UNKNOWN: Final = math.nan
TRANSPORTS: Final = ("matrix", "carrier", "page")
"""The destination of an outbox row: the values of the only label here."""
CANARY_SECONDS: Final = 7200.0
"""Seconds after which a canary that says nothing more counts as dead, unless its file says otherwise."""
FAILING_TRIES: Final = 5
"""Tries after which a step of an erasure counts as failing: then the desk is told, too."""
NEVER: Final = math.inf


GAUGES: Final = {
    "quietline_leader": "1 while this bridge leads its line, 0 while it waits to.",
    "quietline_ready": "1 while the line hears its rooms and has its desk.",
    "quietline_inbox_oldest_seconds": "Seconds that the oldest event has waited for a decision; 0 when none waits.",
    "quietline_outbox_oldest_seconds": (
        "Seconds that the oldest message, text or page has waited to leave; 0 when none waits. Words of a flood's crowd, "
        "which has no rooms yet, do not count."
    ),
    "quietline_texts_unknown": (
        "Texts of which nobody knows whether the carrier took them; each is forgotten after eight days."
    ),
    "quietline_dead_letters": "Events and messages that could not be handled and are kept for the technician.",
    "quietline_erasures_failing": "Erasures of which a step was tried five times or more without success.",
    "quietline_carrier_up": (
        "1 while the carrier's address answers and took the last request of ours; 0 when not; NaN before the first answer."
    ),
    "quietline_last_text_seconds": (
        "Seconds since a text came, to the hour after a new start; NaN before the first text ever."
    ),
    "quietline_people_on_duty": "People on duty at the desk.",
    "quietline_trusted_supervisors": (
        "Supervisors at the desk whose identity is confirmed; with none nobody is heard and nobody can confirm the others."
    ),
    "quietline_threads_waiting": "Conversations that nobody has taken.",
    "quietline_longest_wait_seconds": (
        "Seconds that the conversation which waits longest has waited to be taken; 0 when none waits."
    ),
    "quietline_sync_age_seconds": (
        "Seconds since the homeserver last told what is said in the rooms; up to 30 when nobody says anything."
    ),
    "quietline_backup_age_seconds": "Seconds since the last backup; +Inf while there is none.",
    "quietline_drill_age_seconds": "Seconds since a backup was last restored for a trial; +Inf while none was.",
    "quietline_canary_ok": (
        "1 while the canary's last round trip was well, 0 when not or when it is silent; NaN where there is no canary."
    ),
    "quietline_clock_trusted": (
        "1 while the machine's clock is trusted; 0: nothing is erased by its age until a supervisor says !time ok."
    ),
    "quietline_module_ok": (
        "1 while the homeserver's module does all that it is for; 0: it is not loaded, or says what it cannot do."
    ),
    "quietline_disk_free_bytes": "Bytes free where the line keeps its databases.",
}
"""The meaning of each gauge, by its name."""
OUTBOX_ROWS: Final = "quietline_outbox_rows"
OUTBOX_ROWS_HELP: Final = "Messages, texts and pages that wait to leave, by where they go."


LISTEN_RETRY_SECONDS: Final = 10.0
CANARY_FILE: Final = "canary.json"
ASK_INTERVAL: Final = 30.0
"""Seconds between two questions."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
LOOK_INTERVAL: Final = 5.0
"""Seconds between two looks: as many may be missing from an age."""


class FigureCollector(Collector):
    """One reading as Prometheus has it."""

    def __init__(self, figures: Mapping[str, float], outbox_rows: Mapping[str, int]) -> None:
        self._figures, self._outbox_rows = figures, outbox_rows

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of this reading."""
        for name, meaning in GAUGES.items():
            yield GaugeMetricFamily(name, meaning, value=self._figures[name])
        rows = GaugeMetricFamily(OUTBOX_ROWS, OUTBOX_ROWS_HELP, labels=("to",))
        for transport in TRANSPORTS:
            rows.add_metric((transport,), self._outbox_rows.get(transport, 0))
        yield rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """What only the running parts know: whether the line is ready, who is present, who waits since when, the carrier.

    `has_canary`: whether the configuration has one.
    """

    ready: bool
    people_on_duty: int
    waiting_since: tuple[float, ...]
    carrier_up: bool | None
    has_canary: bool


async def read_figures(
    services: Services, line: LineState, *, inbox_oldest: float, data: Path, canary: Path | None
) -> FigureCollector:
    """Read everything once. Raises `DatabaseError`. `canary`: the file that a canary writes, if there is a place for it.

    Ages are in seconds; NaN: not known; infinite: never.
    """
    database, measured = services.database, services.measurements
    now, system_now = services.clock.now(), services.clock.system_time()
    oldest_row = await outbox.oldest_created(database)
    last_text = measured.seconds_since_text()
    backup, drill = [await line_state.get(database, name) for name in (line_state.LAST_BACKUP, line_state.DRILLED)]
    arrivals = ArrivalHistory.parse(await line_state.get(database, line_state.ARRIVALS))
    if last_text is None and arrivals is not None:
        last_text = _age(arrivals.last * HOUR, now)
    canary_ok = UNKNOWN
    if line.has_canary:
        canary_ok = _judge_canary(await line_state.get(database, line_state.CANARY_OK), canary, system_now)
    figures = {
        "leader": 1.0,
        "ready": float(line.ready),
        "inbox_oldest_seconds": inbox_oldest,
        "outbox_oldest_seconds": 0.0 if oldest_row is None else _age(oldest_row, now),
        "texts_unknown": await sent_texts.count_unknown(database),
        "dead_letters": await dead_letters.count(database),
        "erasures_failing": await erasure_jobs.count_failing(database, tries=FAILING_TRIES),
        "carrier_up": UNKNOWN if line.carrier_up is None else float(line.carrier_up),
        "last_text_seconds": UNKNOWN if last_text is None else last_text,
        "people_on_duty": line.people_on_duty,
        "trusted_supervisors": await count_confirmed_supervisors(database),
        "threads_waiting": len(line.waiting_since),
        "longest_wait_seconds": max((_age(since, now) for since in line.waiting_since), default=0.0),
        "sync_age_seconds": measured.seconds_since_sync(),
        "backup_age_seconds": NEVER if backup is None else _age(float(backup), system_now),
        "drill_age_seconds": NEVER if drill is None else _age(float(drill), system_now),
        "canary_ok": canary_ok,
        "clock_trusted": float(await line_state.get(database, line_state.CLOCK_DISTRUSTED) is None),
        "module_ok": float(await _is_module_well(database)),
        "disk_free_bytes": _free_bytes(data),
    }
    return FigureCollector(
        {f"quietline_{name}": value for name, value in figures.items()}, await outbox.count_by_transport(database)
    )


async def _is_module_well(database: Database) -> bool:
    """Whether the last check of the module found no fault (`bridge/app/module_check.py`)."""
    noted = [await line_state.get(database, name) for name in (line_state.MODULE_MISSING, line_state.MODULE_PROBLEMS)]
    return noted == [None, None]


def _age(at: float, now: float) -> float:
    return max(0.0, now - at)


def _free_bytes(data: Path) -> float:
    try:
        return shutil.disk_usage(data).free
    except OSError:
        return UNKNOWN


def _judge_canary(noted: str | None, file: Path | None, now: float) -> float:
    """Return 0 if the line noted a failure or silence, or the canary's file says one: either may be frozen."""
    known = [_read_canary(file, now), UNKNOWN if noted is None else float(noted == "1")]
    return min((figure for figure in known if not math.isnan(figure)), default=UNKNOWN)


def _read_canary(file: Path | None, now: float) -> float:
    """Read `{"ok": bool, "at": seconds since the epoch}`; `"valid_seconds"`, optional: for how long it is valid.

    A file that cannot be read, has another form or is old means a canary that is not well; no file: it has said nothing.
    """
    if file is None or not file.exists():
        return UNKNOWN
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        fresh = -60.0 <= now - float(fields["at"]) <= float(fields.get("valid_seconds", CANARY_SECONDS))
        return float(fields["ok"] is True and fresh)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return 0.0


class MetricsServer:
    """Serves the metrics of one bridge. `run` until cancelled."""

    def __init__(
        self,
        services: Services,
        *,
        config: Config,
        settings: MetricsSettings,
        http: aiohttp.ClientSession,
        desk: Callable[[], Desk],
        is_ready: Callable[[], bool],
        run_directory: Path | None,
    ) -> None:
        """Make it. `desk`: as it was last decided; `run_directory`: where a canary beside us leaves its file."""
        self._services, self._settings, self._data = services, settings, config.data_dir
        self._desk, self._is_ready = desk, is_ready
        self._has_canary = config.canary is not None
        self._canary = run_directory / CANARY_FILE if self._has_canary and run_directory is not None else None
        self._probe = CarrierProbe(url=config.line.carrier.api_base, http=http)
        self._inbox_age = InboxAge(services)
        ProcessCollector(registry=services.measurements.registry)

    async def run(self) -> None:
        """Listen until cancelled."""
        application = web.Application(client_max_size=1024)
        application.add_routes([web.get("/metrics", self._answer)])
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._probe.loop.run())
                group.create_task(self._inbox_age.loop.run())
                await self._listen(runner)
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._settings.address
        while True:
            site = web.TCPSite(runner, host, port)
            try:
                await site.start()
            except OSError as error:
                log.failure("metrics.not_listening", error, port=port)
                await site.stop()
                await asyncio.sleep(LISTEN_RETRY_SECONDS)
            else:
                log.event("metrics.listening", port=port)
                return

    async def _answer(self, _request: web.Request) -> web.Response:
        try:
            body = await self.text()
        except (DatabaseError, OSError) as error:
            log.failure("metrics.not_read", error)
            return web.Response(status=503)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def text(self) -> bytes:
        """Read everything, and write it as Prometheus text. Raises `DatabaseError`."""
        desk, measured = self._desk(), self._services.measurements
        line = LineState(
            ready=self._is_ready(),
            people_on_duty=sum(member.on_duty for member in desk.roster),
            waiting_since=(
                *(entry.since for entry in desk.waiting),
                *(entry.since for entry in desk.flood.crowd.values()),
            ),
            carrier_up=self._carrier_up(),
            has_canary=self._has_canary,
        )
        snapshot = await read_figures(
            self._services, line, inbox_oldest=await self._inbox_age.seconds(), data=self._data, canary=self._canary
        )
        return generate_latest(snapshot) + generate_latest(measured.registry)

    def _carrier_up(self) -> bool | None:
        answers, probe_answers = self._services.measurements.carrier_answers(), self._probe.answers
        return False if answers is False or probe_answers is False else True if answers or probe_answers else None


class CarrierProbe:
    """Asks while its `loop` runs. `answers` is None before the first question is over."""

    def __init__(self, *, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http
        self.answers: bool | None = None
        self.loop = BackgroundLoop("metrics.carrier_probe", self.run_once, max_sleep=ASK_INTERVAL)

    async def run_once(self) -> float:
        """Ask once; return the seconds until the next question."""
        try:
            async with self._http.get(self._url, timeout=TIMEOUT, allow_redirects=False):
                self.answers = True
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.answers = False
        return ASK_INTERVAL


class InboxAge:
    """Looks while its `loop` runs."""

    def __init__(self, services: Services, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database, self._monotonic = services.database, monotonic
        self._looks: deque[tuple[int, float]] = deque()
        self.loop = BackgroundLoop("metrics.inbox_age", self.run_once, max_sleep=LOOK_INTERVAL)

    async def run_once(self) -> float:
        """Look once; return the seconds until the next look. A database that fails is for the line's loops to settle."""
        with contextlib.suppress(DatabaseError):
            await self.seconds()
        return LOOK_INTERVAL

    async def seconds(self) -> float:
        """Read the inbox, and return for how long the oldest event has been there; 0 when it is empty."""
        oldest, newest = await inbox.oldest_seq(self._database), await inbox.newest_seq(self._database)
        if oldest is None or newest is None:
            self._looks.clear()
            return 0.0
        now = self._monotonic()
        if not self._looks or newest > self._looks[-1][0]:
            self._looks.append((newest, now))
        while self._looks[0][0] < oldest:
            self._looks.popleft()
        return now - self._looks[0][1]
