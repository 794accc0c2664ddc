"""The row `homeserver database` of `quietline doctor` and `quietline check`: SQLite, a PostgreSQL, or the agency's own.

Rule of this module: what is found is what a start would find (`deploy/stack/homeserver_database.py`); nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.data_dir.secret_files import SetupError
from deploy.inspect.status import CheckResult
from deploy.stack import homeserver_database

if TYPE_CHECKING:
    from bridge.config import Config
    from deploy.data_dir.layout import Layout

NAME: Final = "homeserver database"


async def check_homeserver_database(config: Config, layout: Layout, *, running: bool) -> CheckResult:
    """Whether the homeserver's data are where a homeserver can be run on them. `running`: it may be connected now."""
    if config.homeserver.joined:
        return CheckResult(name=NAME, ok=True, what="is that of the agency's own homeserver, whose owner backs it up")
    try:
        homeserver_database.check_engine(config, layout)
        found = await homeserver_database.look(config, layout, running=running)
    except SetupError as error:
        return CheckResult(name=NAME, ok=False, what="; ".join(error.problems), do="Put it right; the line does not start.")
    if config.homeserver.database_url_file is None:
        return CheckResult(name=NAME, ok=True, what="is SQLite, in the line's directory")
    wrong = [each for each in found if not each.warning]
    shown = wrong or found
    if not shown:
        return CheckResult(name=NAME, ok=True, what="is a PostgreSQL that will do, and is this directory's")
    what, do = "; ".join(each.what for each in shown), " ".join(each.do for each in shown)
    return CheckResult(name=NAME, ok=not wrong, what=f"PostgreSQL {what}", do=do, warning=not wrong)
