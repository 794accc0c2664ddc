"""`quietline status`: the state of a line, checked from outside.

Rule of this module: it reads and changes nothing; every check that is not well says what to do.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from bridge.config.load import ConfigError, load
from deploy.data_dir.layout import HOST
from deploy.inspect.check_report import CheckReport, CheckResult, fault, well
from deploy.stack.readiness import ReadinessProbe
from policies import read_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.data_dir.layout import Layout


STARTED_BY_UP: Final = "It is started again by itself; if this stays, see"
ALONE: Final = {
    "homeserver": "Is homeserver.url right, and does it run? It is not this line's own: nothing here starts it.",
    "bridge": "Start it, or its service, and see where its output goes; `quietline check` says what would stop it.",
}
"""The remedies for parts that do not answer, when the bridge runs without `up`."""


async def no_carrier_asked() -> list[CheckResult]:
    """Return the rows for a carrier that is not checked."""
    return [well("carrier", "was not asked", "`quietline carrier check` tries it.")]


async def no_facts() -> list[CheckResult]:
    """Return no additional rows."""
    return []


async def check_status(
    layout: Layout,
    *,
    of_real_line: Callable[[], Awaitable[list[CheckResult]]] = no_carrier_asked,
    facts: Callable[[], Awaitable[list[CheckResult]]] = no_facts,
) -> CheckReport:
    """Check the line of a data directory. `of_real_line`: additional rows when it is no rehearsal, about its carrier.

    `facts`: additional rows for any line (`deploy/doctor/line_facts.py`).
    """
    if not has_line(layout):
        do = f"Name its directory with --data, or make one: ./quietline up --data {layout.data}, or `quietline init`."
        return CheckReport(checks=(fault("line", f"{layout.config}: there is no line", do),))
    by_up = _urls_of_up(layout)
    urls = by_up or _urls_of_bridge(layout)
    if urls is None:
        check = fault(
            "line",
            f"nothing is ready on {layout.data}",
            f"Start it: ./quietline up {layout.option} (when it is just starting, wait for it).",
        )
        return CheckReport(checks=(check,))
    async with ReadinessProbe() as probe:
        asking = {
            "homeserver": probe.homeserver if by_up else probe.client_api,
            "bridge": probe.bridge,
            "carrier": probe.carrier,
        }
        results = await asyncio.gather(*(asking[name](url) for name, url in urls.items()))
    answers = dict(zip(urls, results, strict=True))
    checks = [
        CheckResult(
            name=name,
            ok=well,
            what=f"answers at {urls[name]}" if well else f"does not answer as ready at {urls[name]}",
            do="" if well else f"{STARTED_BY_UP} {layout.log(name)}." if by_up else ALONE[name],
        )
        for name, well in answers.items()
    ]
    if "carrier" not in urls:
        checks += await of_real_line()
    checks += await facts()
    return CheckReport(checks=tuple(checks))


def has_line(layout: Layout) -> bool:
    """Whether there is a line to check: a configuration, or a first run of `up`, which will write one."""
    return layout.has_config or layout.lock.exists()


def _urls_of_up(layout: Layout) -> dict[str, str] | None:
    """Return the URLs of the parts that `up` runs (`ready.json`), by name; None when it runs none."""
    try:
        ready: dict[str, Any] = json.loads(read_text(layout.ready))
        urls = {name: str(ready[name]) for name in ("homeserver", "bridge")}
        if (rehearsal := ready["carrier"]) is not None:
            urls["carrier"] = str(rehearsal)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return urls


def _urls_of_bridge(layout: Layout) -> dict[str, str] | None:
    """Return the URLs of homeserver and bridge for a bridge without `up`, running or not; None for a line of `up`."""
    if not layout.bridge_file.is_file() and (layout.homeserver.is_dir() or layout.handout.is_dir()):
        return None
    try:
        config = load(layout.config)
    except ConfigError:
        return None
    if config.line.rehearsal and not layout.bridge_file.is_file():
        return None
    host = {"0.0.0.0": HOST, "::": "[::1]"}.get(config.listen.host, config.listen.host)
    return {"homeserver": config.homeserver.url, "bridge": f"http://{host}:{config.listen.port}"}
