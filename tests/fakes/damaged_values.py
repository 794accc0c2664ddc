"""Values of the table `line`, whole and damaged.

Rule of this module: `WHOLE` has an example of each name that a reader of `bridge/tables/line_state.py` checks, as the line
writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from bridge.app.run_history import RunHistory
from bridge.inbound.arrivals import ArrivalHistory
from bridge.shift_calendar.kept_copy import CalendarState
from bridge.tables import line_state
from bridge.tables.clock_trust import ClockSample

AT: Final = 1_799_990_000.0
STRAY: Final = line_state.STRAY_ALERT + "unlisted"
WHOLE: Final = {
    **dict.fromkeys((line_state.CARRIER_WATERMARK, line_state.MODULE_MISSING, line_state.REWRITTEN, STRAY), str(AT)),
    **dict.fromkeys((line_state.DRILLED, line_state.LAST_BACKUP), str(int(AT))),
    **dict.fromkeys((line_state.VACUUMED, line_state.VACUUM_BEGUN), str(AT)),
    **dict.fromkeys((line_state.EVENTS_LOST, line_state.EVENTS_RETURNED, line_state.MEMBERS_RETURNED), str(int(AT * 1000))),
    line_state.ALARM_TEST: "0123abcd",
    line_state.ALARM_TEST_RESULT: json.dumps({"test": "0123abcd", "ways": {"webhook": True}}),
    line_state.ARRIVALS: ArrivalHistory(last=499_000, gaps={2970: 7}).text(),
    line_state.CALENDAR_STATE: CalendarState(source="ab", read_at=AT, failing_since=AT, told=True).text(),
    line_state.CANARY_STEP: "silent",
    line_state.CARRIER_ACCOUNTS: json.dumps([("ab", 0.0), ("cd", AT)]),
    line_state.CHECK_FOUND: json.dumps(["disk", "backup"]),
    line_state.CLOCK_AHEAD: "7200",
    line_state.CLOCK_SAMPLE: ClockSample(AT, 1000.5, "boot").text(AT),
    line_state.KEYS_MISSING: "2",
    line_state.OLD_ROOMS: line_state.ERASE,
    line_state.RESTORE: json.dumps({"made": int(AT), "unfinished": 2}),
    line_state.RESTORED_ROSTER: json.dumps([{"mxid": f"@{name}:q.localhost", "role": "supervisor"} for name in "ab"]),
    line_state.RETENTION: json.dumps({"message_ttl": 7, "idle": 7, "grace": 7, "continuing": 7}),
    line_state.RUNS: RunHistory(first=AT, deaths=(AT, AT + 1)).text(),
    line_state.SERVER_HISTORY: json.dumps({"history": "3", "changed": 0.0}),
    line_state.STAFF_CHANGES: json.dumps([{"user": "@a:q.localhost", "role": "removed"}]),
    line_state.VACUUM_RESULT: json.dumps({"database": "sqlite", "seconds": 3.5}),
}
ANYWHERE: Final = ("{", "", "7 x", '["x"', "null", "NaN", "-Infinity", "1e999", "9" * 400, "[]", "{}", "[[1]]", '"x"')
IN_JSON: Final[tuple[Any, ...]] = (None, "x", [], {}, float("nan"), float("inf"), 10**400)
IN_WORDS: Final = ("", "x", "nan", "-inf")


def damaged(name: str) -> Iterator[str]:
    """Yield damaged values of a name: of no form at all, and each member missing, or of another kind."""
    yield from ANYWHERE
    whole = WHOLE[name]
    words = whole.split(" ")
    for place in range(len(words)):
        yield " ".join(words[:place])
        yield from (" ".join([*words[:place], other, *words[place + 1 :]]) for other in IN_WORDS)
    try:
        value = json.loads(whole)
    except ValueError:
        return
    yield from (json.dumps(other) for other in _without_or_other(value))


def _without_or_other(value: Any) -> Iterator[Any]:
    match value:
        case dict():
            for key, member in value.items():
                rest = {each: other for each, other in value.items() if each != key}
                yield rest
                yield from ({**rest, key: other} for other in (*IN_JSON, *_without_or_other(member)))
        case list():
            for place, member in enumerate(value):
                yield [*value[:place], *value[place + 1 :]]
                others = (*IN_JSON, *_without_or_other(member))
                yield from ([*value[:place], other, *value[place + 1 :]] for other in others)
        case _:
            return
