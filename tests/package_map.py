"""Which package may import which: the map that `tests/test_house.py` checks and `ARCHITECTURE.md` shows.

Rules of this module: `MAY_IMPORT` lists packages from the lowest to the highest, and a package imports only packages that
are listed before it, without exception. `bot/decide`, `bot/command_functions`, `bot/guard`, `bot/canary` and
`bridge/services` are single modules at the root of their folder and count as packages.
"""

from __future__ import annotations

from typing import Final

MAY_IMPORT: Final[dict[str, str]] = {
    "policies": "",
    "policies/drills": "policies",
    "policies/shifts": "policies",
    "bot/wording/english": "",
    "bot/wording/spanish": "",
    "bot/wording": "bot/wording/english bot/wording/spanish",
    "bot/model": "policies policies/drills policies/shifts",
    "bot/language": "policies bot/wording bot/model",
    "bot/commands": "policies bot/wording/spanish bot/wording bot/model",
    "bot/display": "policies bot/wording bot/model bot/language bot/commands",
    "bot/guard": "policies bot/wording bot/model bot/language bot/commands",
    "bot/sending": "policies bot/wording bot/model bot/language bot/commands bot/guard",
    "bot/lifecycle": "policies bot/wording bot/model bot/commands bot/display bot/sending",
    "bot/safety": (
        "policies bot/wording bot/model bot/language bot/commands bot/display bot/guard bot/sending bot/lifecycle"
    ),
    "bot/staffing": "policies policies/shifts bot/wording bot/model bot/language bot/commands bot/display bot/sending",
    "bot/codeword": (
        "policies bot/wording bot/model bot/language bot/commands bot/display bot/guard bot/sending bot/lifecycle "
        "bot/safety"
    ),
    "bot/drills": "policies policies/drills bot/wording bot/model bot/commands bot/sending bot/lifecycle",
    "bot/command_functions": (
        "bot/commands bot/display bot/sending bot/lifecycle bot/safety bot/staffing bot/codeword bot/drills"
    ),
    "bot/canary": "policies bot/model",
    "bot/decide": (
        "policies bot/model bot/language bot/commands bot/display bot/sending bot/lifecycle bot/safety "
        "bot/staffing bot/codeword bot/drills bot/command_functions bot/canary"
    ),
    "bridge/runtime": "policies",
    "bridge/storage": "bot/model bridge/runtime",
    "bridge/carriers": "bot/model bridge/runtime",
    "bridge/carriers/vendors": "policies bridge/runtime bridge/carriers",
    "bridge/config": "policies bridge/runtime bridge/carriers/vendors",
    "bridge/services": "bridge/runtime bridge/storage",
    "bridge/tables": "bot/model bridge/runtime bridge/storage",
    "bridge/tables/cross_table": "bot/model bridge/storage bridge/tables",
    "bridge/lease": "bridge/runtime bridge/storage bridge/tables",
    "bridge/matrix/api": "bot/model bridge/runtime",
    "bridge/background": "bridge/runtime bridge/storage bridge/matrix/api",
    "bridge/matrix/olm": "bridge/runtime bridge/storage bridge/matrix/api",
    "bridge/matrix/rooms": (
        "bot/wording bridge/runtime bridge/storage bridge/matrix/api bridge/background bridge/matrix/olm"
    ),
    "bridge/matrix/room_keys": (
        "bridge/runtime bridge/storage bridge/services bridge/matrix/api bridge/matrix/olm bridge/matrix/rooms"
    ),
    "bridge/matrix/sync": (
        "bridge/runtime bridge/storage bridge/services bridge/matrix/api bridge/background bridge/matrix/olm "
        "bridge/matrix/rooms bridge/matrix/room_keys"
    ),
    "bridge/matrix": (
        "bot/wording bot/model bridge/runtime bridge/storage bridge/services bridge/matrix/api bridge/background "
        "bridge/matrix/olm bridge/matrix/rooms bridge/matrix/room_keys bridge/matrix/sync"
    ),
    "bridge/shift_calendar": (
        "policies policies/shifts bot/model bridge/runtime bridge/storage bridge/config bridge/services bridge/tables "
        "bridge/background"
    ),
    "bridge/erasure": (
        "policies bot/model bridge/runtime bridge/storage bridge/carriers bridge/config bridge/services bridge/tables "
        "bridge/tables/cross_table bridge/matrix/api bridge/background bridge/matrix/olm bridge/matrix/rooms "
        "bridge/matrix/room_keys bridge/matrix"
    ),
    "bridge/outbound": (
        "policies bot/wording bot/model bot/commands bot/display bot/guard bot/canary bridge/runtime bridge/storage "
        "bridge/carriers bridge/config bridge/services bridge/tables bridge/matrix/api bridge/background "
        "bridge/matrix/rooms bridge/matrix/room_keys bridge/matrix bridge/erasure"
    ),
    "bridge/inbound": (
        "bot/model bot/commands bridge/runtime bridge/storage bridge/carriers bridge/services bridge/tables "
        "bridge/matrix/api bridge/background bridge/matrix/rooms bridge/matrix/room_keys bridge/erasure bridge/outbound"
    ),
    "bridge/engine": (
        "policies policies/drills bot/model bot/language bot/commands bot/lifecycle bot/safety bot/sending bot/staffing "
        "bot/codeword bot/canary bot/decide bridge/runtime bridge/storage bridge/carriers bridge/config bridge/services "
        "bridge/tables bridge/tables/cross_table bridge/background bridge/matrix/rooms bridge/outbound bridge/inbound"
    ),
    "bridge/metrics": (
        "bot/model bridge/runtime bridge/storage bridge/config bridge/services bridge/tables bridge/background "
        "bridge/matrix/room_keys bridge/inbound"
    ),
    "bridge/app": (
        "policies policies/drills bot/model bot/sending bridge/runtime bridge/storage bridge/lease bridge/carriers "
        "bridge/carriers/vendors bridge/config bridge/services bridge/tables bridge/tables/cross_table bridge/matrix/api "
        "bridge/background bridge/matrix/rooms bridge/matrix/room_keys bridge/matrix bridge/shift_calendar bridge/erasure "
        "bridge/outbound bridge/inbound bridge/engine bridge/metrics"
    ),
    "deploy/synapse_module/quietline_synapse": "",
    "deploy/data_dir": (
        "policies bot/model bridge/runtime bridge/storage bridge/config bridge/tables bridge/matrix/room_keys"
    ),
    "deploy/stack": "policies bridge/runtime bridge/storage bridge/config deploy/data_dir",
    "deploy/inspect": (
        "policies bot/model bridge/runtime bridge/storage bridge/lease bridge/carriers/vendors bridge/config "
        "bridge/tables bridge/tables/cross_table bridge/matrix/api bridge/matrix/olm bridge/matrix/rooms "
        "bridge/matrix/room_keys bridge/erasure bridge/outbound deploy/data_dir deploy/stack"
    ),
    "deploy/report": "deploy/inspect",
    "deploy/backup": (
        "policies bot/model bridge/runtime bridge/storage bridge/config bridge/tables bridge/tables/cross_table "
        "bridge/matrix/rooms bridge/matrix bridge/app deploy/data_dir deploy/inspect"
    ),
    "deploy/packs": "policies bot/model bot/guard bot/sending bot/decide deploy/inspect",
    "deploy/carrier": (
        "policies bridge/runtime bridge/carriers bridge/carriers/vendors bridge/config bridge/tables bridge/erasure "
        "bridge/inbound deploy/inspect"
    ),
    "deploy/init": (
        "policies bridge/runtime bridge/carriers/vendors bridge/config bridge/matrix/api deploy/data_dir deploy/stack"
    ),
    "deploy/kubernetes": "bridge/runtime bridge/carriers/vendors",
    "deploy/preflight": (
        "policies policies/shifts bridge/runtime bridge/storage bridge/lease bridge/config bridge/tables bridge/matrix/api "
        "bridge/matrix bridge/shift_calendar bridge/app deploy/data_dir deploy/stack deploy/inspect deploy/carrier"
    ),
    "deploy/release": "bridge/runtime deploy/data_dir",
    "deploy/canary": "bot/model bridge/runtime bridge/config bridge/matrix/olm bridge/outbound deploy/data_dir",
    "deploy/doctor": (
        "policies bridge/runtime bridge/storage bridge/carriers bridge/config bridge/tables bridge/tables/cross_table "
        "bridge/matrix/api bridge/matrix/rooms bridge/shift_calendar bridge/inbound bridge/outbound bridge/app "
        "deploy/data_dir deploy/stack deploy/inspect deploy/carrier deploy/preflight"
    ),
    "deploy/docs/pages": "policies policies/drills bot/wording bot/commands bot/display bot/safety bot/lifecycle",
    "deploy/docs": (
        "policies bot/wording/spanish bot/wording bot/model bot/commands bot/display bot/safety bot/staffing "
        "bridge/runtime bridge/carriers/vendors bridge/config deploy/docs/pages"
    ),
    "deploy/rehearsal": "policies policies/drills bridge/runtime bridge/carriers",
    "deploy/cli": (
        "policies policies/drills bot/model bridge/runtime bridge/storage bridge/carriers/vendors bridge/config bridge/app "
        "deploy/data_dir deploy/stack deploy/release deploy/backup deploy/inspect deploy/report deploy/packs "
        "deploy/carrier deploy/init deploy/preflight deploy/canary deploy/doctor"
    ),
    "deploy": "deploy/cli",
}
"""From the lowest package to the highest; the value names the packages that it imports."""

NO_MODULE_OF_ITS_NAME: Final = {
    "tests/deploy/init/test_proxies_of_two.py": "the files for a proxy before two bridges, which no module writes",
    "tests/deploy/kubernetes/test_gate.py": "Caddy with the chart's file",
    "tests/deploy/kubernetes/test_chart.py": "the chart, which is no Python, rendered by helm",
    "tests/deploy/kubernetes/test_chart_values.py": "its values, as helm takes them",
    "tests/bridge/engine/test_marked_facts.py": "facts put back beside the program, from the database to the desk",
    "tests/bot/commands/test_asks.py": "every sentence of every package that asks a person to say something",
    "tests/bot/test_bad_input.py": "mishaps at a desk, across features",
    "tests/bridge/carriers/test_conformance.py": "one table of behaviours for every vendor",
    "tests/bridge/carriers/test_conformance_table.py": "the same table, as a page",
    "tests/bridge/carriers/test_cost.py": "what a hostile webhook costs, every vendor",
    "tests/bridge/carriers/test_published_documents.py": "what vendors publish, every vendor",
    "tests/bridge/carriers/test_published_webhooks.py": "webhooks as vendors publish them, every vendor",
    "tests/bridge/carriers/test_line_numbers.py": "several numbers of one line, every vendor",
    "tests/bridge/carriers/test_webhook_fuzz.py": "generated webhooks, every vendor",
    "tests/bridge/carriers/test_webhook_refusal.py": "refused webhooks, every vendor",
    "tests/bridge/metrics/test_monitoring.py": "rules, board and page of monitoring, beside the names of the metrics",
    "tests/bridge/matrix/test_crash_members.py": "a crash between membership and keys, across packages",
    "tests/deploy/rehearsal/test_access.py": "the rehearsal carrier as a process, from outside",
    "tests/deploy/rehearsal/test_faults.py": "the rehearsal carrier as a process, from outside",
    "tests/deploy/rehearsal/test_browser.py": "the page of the rehearsal carrier in a real browser",
    "tests/deploy/rehearsal/test_process.py": "the rehearsal carrier as a process, from outside",
    "tests/deploy/rehearsal/test_texts.py": "the rehearsal carrier as a process, from outside",
    "tests/deploy/stack/test_admin_token.py": "a homeserver without the module, across packages",
    "tests/deploy/stack/test_login_service.py": "a homeserver that delegates logins, across packages",
    "tests/deploy/synapse_module/quietline_synapse/test_backup.py": "key backups in a real Synapse",
}
"""Test files that test a behaviour of several modules, and that behaviour."""
NO_PACKAGE_OF_ITS_NAME: Final = {
    "tests/bot/properties": "walks over the whole of `bot`",
    "tests/bridge/crash": "kills of the whole bridge",
}
"""Folders of tests that correspond to no package."""
