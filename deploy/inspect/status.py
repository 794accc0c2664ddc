"""`quietline status`: how a line is, asked from beside it.

Rule of this module: it reads and asks, and changes nothing; every check that is not well says what to do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.config import ConfigError, load
from deploy.data_dir.layout import HOST
from deploy.stack.readiness import ReadinessProbe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.data_dir.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check: `what` was found and what to `do` about it (empty when nothing).

    `asked`: False where nobody could be asked yet, which is not held against the line. `warning`: it is well, and `do` is
    still to be done.
    """

    name: str
    ok: bool
    what: str
    do: str = ""
    asked: bool = True
    warning: bool = False

    def as_object(self) -> dict[str, object]:
        """Return it for JSON; `asked` and `warning` are there only where they say something."""
        told: dict[str, object] = {"name": self.name, "ok": self.ok, "what": self.what, "do": self.do}
        told |= {} if self.asked else {"asked": False}
        return told | ({"warning": True} if self.warning else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """All checks. As JSON: `{"ok": bool, "checks": [{"name","ok","what","do"}]}`.

    Rule: design.md, "Contracts with the outside".
    """

    checks: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every check is well."""
        return all(check.ok for check in self.checks)

    def as_json(self, *, ok: bool | None = None) -> str:
        """Write the report for a program. `ok`: of the whole, where this is a part of a report."""
        return json.dumps({"ok": self.ok if ok is None else ok, "checks": [check.as_object() for check in self.checks]})

    def as_text(self) -> list[str]:
        """Write the report for a person, a line for each check and one for what to do."""
        lines = []
        for check in self.checks:
            lines.append(f"{mark_of(check)} {check.name}: {check.what}")
            if check.do:
                lines.append(f"    {check.do}")
        return lines


def mark_of(check: CheckResult) -> str:
    """Return the three letters that stand before a check: `NOT`, `!`, `?` or `ok`."""
    if not check.ok:
        return "NOT"
    return "!  " if check.warning else "ok " if check.asked else "?  "


async def no_carrier_asked() -> list[CheckResult]:
    """Say that the carrier was not asked."""
    return [CheckResult(name="carrier", ok=True, what="was not asked", do="`quietline carrier check` tries it.")]


async def check_status(
    layout: Layout, *, of_real_line: Callable[[], Awaitable[list[CheckResult]]] = no_carrier_asked
) -> CheckReport:
    """Look at the line of a data directory. `of_real_line`: what else is asked when it is no rehearsal: its own carrier."""
    by_up = _started_by_up(layout)
    urls = by_up or _bridge_alone(layout)
    if urls is None:
        check = CheckResult(
            name="line",
            ok=False,
            what=f"nothing is ready on {layout.data}",
            do=f"Start it: ./quietline up --data {layout.data} (when it is just starting, wait for it).",
        )
        return CheckReport(checks=(check,))
    async with ReadinessProbe() as probe:
        answers = {
            "homeserver": await (probe.homeserver if by_up else probe.client_api)(urls["homeserver"]),
            "bridge": await probe.bridge(urls["bridge"]),
        }
        if "carrier" in urls:
            answers["carrier"] = await probe.carrier(urls["carrier"])
    checks = [
        CheckResult(
            name=name,
            ok=well,
            what=f"answers at {urls[name]}" if well else f"does not answer as ready at {urls[name]}",
            do="" if well else f"It is started again by itself; if this stays, see {layout.log(name)}.",
        )
        for name, well in answers.items()
    ]
    if "carrier" not in urls:
        checks += await of_real_line()
    return CheckReport(checks=tuple(checks))


def _started_by_up(layout: Layout) -> dict[str, str] | None:
    """Read where the parts of a line are that `up` runs (`ready.json`); None when it runs none."""
    try:
        ready: dict[str, Any] = json.loads(layout.ready.read_text(encoding="utf-8"))
        urls = {name: str(ready[name]) for name in ("homeserver", "bridge")}
        if (rehearsal := ready["carrier"]) is not None:
            urls["carrier"] = str(rehearsal)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return urls


def _bridge_alone(layout: Layout) -> dict[str, str] | None:
    """Say where homeserver and bridge are of a bridge that runs alone; None when none says that it runs."""
    if not layout.bridge_file.is_file():
        return None
    try:
        config = load(layout.config)
    except ConfigError:
        return None
    host = {"0.0.0.0": HOST, "::": "[::1]"}.get(config.listen.host, config.listen.host)
    return {"homeserver": config.homeserver.url, "bridge": f"http://{host}:{config.listen.port}"}
