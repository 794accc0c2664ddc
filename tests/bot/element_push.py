"""The notifications of Element's engine, by Synapse's push rules of an account without its own settings.

Rule of this module: the rules are Synapse's own, in the form that a client gets; matrix-js-sdk's PushProcessor evaluates
them in `element_push.mjs`. Events are given as a client has them after decryption.

Source: `synapse.push.clientformat.format_push_rules_for_user`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.bot.push_rules import Push
from tests.bot.synapse_push import called
from tests.node_driver import NodeDriver

DRIVER: Final = NodeDriver(Path(__file__).with_name("element_push.mjs"), "matrix-js-sdk")


def element_push(events: Sequence[Mapping[str, Any]], user: str, *, members: Sequence[str]) -> list[Push]:
    """Return each event's notification at a device of `user` in a room with these members."""
    question = {"user": user, "members": [*members], "rules": _rules_of(user), "events": [*events]}
    return [Push(each) for each in DRIVER.ask(question)]


@cache
def _rules_of(user: str) -> dict[str, Any]:
    from synapse.push.clientformat import format_push_rules_for_user
    from synapse.synapse_rust.push import FilteredPushRules, PushRules
    from synapse.types import UserID

    rules = called(FilteredPushRules, {"push_rules": PushRules([]), "enabled_map": {}})
    user_rules: dict[str, Any] = format_push_rules_for_user(UserID.from_string(user), rules)
    return user_rules
