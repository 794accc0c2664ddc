"""The words of every notice, in every language in which the software speaks to staff.

Rule of this module: English is complete by definition, and every other table has the same keys with the same placeholders
(`tests/bot/wording/test_tables.py`). The code of a language is that of `!lang me` and of a pack's `staff_language`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bot.wording.english import alerts as english_alerts
from bot.wording.english import codeword as english_codeword
from bot.wording.english import commands as english_commands
from bot.wording.english import display as english_display
from bot.wording.english import drills as english_drills
from bot.wording.english import guard as english_guard
from bot.wording.english import lifecycle as english_lifecycle
from bot.wording.english import line as english_line
from bot.wording.english import safety as english_safety
from bot.wording.english import sending as english_sending
from bot.wording.english import staffing as english_staffing
from bot.wording.spanish import alerts as spanish_alerts
from bot.wording.spanish import codeword as spanish_codeword
from bot.wording.spanish import commands as spanish_commands
from bot.wording.spanish import display as spanish_display
from bot.wording.spanish import drills as spanish_drills
from bot.wording.spanish import guard as spanish_guard
from bot.wording.spanish import lifecycle as spanish_lifecycle
from bot.wording.spanish import line as spanish_line
from bot.wording.spanish import safety as spanish_safety
from bot.wording.spanish import sending as spanish_sending
from bot.wording.spanish import staffing as spanish_staffing

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGLISH: Final[Mapping[str, str]] = MappingProxyType(
    english_alerts.NOTICES
    | english_codeword.NOTICES
    | english_commands.NOTICES
    | english_display.NOTICES
    | english_drills.NOTICES
    | english_guard.NOTICES
    | english_lifecycle.NOTICES
    | english_line.NOTICES
    | english_safety.NOTICES
    | english_sending.NOTICES
    | english_staffing.NOTICES
)
SPANISH: Final[Mapping[str, str]] = MappingProxyType(
    spanish_alerts.NOTICES
    | spanish_codeword.NOTICES
    | spanish_commands.NOTICES
    | spanish_display.NOTICES
    | spanish_drills.NOTICES
    | spanish_guard.NOTICES
    | spanish_lifecycle.NOTICES
    | spanish_line.NOTICES
    | spanish_safety.NOTICES
    | spanish_sending.NOTICES
    | spanish_staffing.NOTICES
)
TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"en": ENGLISH, "es": SPANISH})
