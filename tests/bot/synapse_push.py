"""The result of Synapse's own evaluator for an event, by its built-in default push rules.

Rules of this module: a homeserver evaluates what it sees, which in an encrypted room is `m.room.encrypted`; a phone
evaluates the same rules after decryption. Both use the same evaluator here. Parameters that a version of Synapse does not
have are left out, and switches of proposals are off, as by default.

Source: `synapse.push.bulk_push_rule_evaluator.BulkPushRuleEvaluator._action_for_event_by_user`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.bot.push_rules import Push


def synapse_push(event: Mapping[str, Any], user: str, *, members: int) -> Push:
    """Return an event's notification at the devices of a member whose display name is their user name."""
    from synapse.synapse_rust.push import FilteredPushRules, PushRuleEvaluator, PushRules

    rules = called(FilteredPushRules, {"push_rules": PushRules([]), "enabled_map": {}})
    evaluator = called(
        PushRuleEvaluator,
        {
            "flattened_keys": _flat(event),
            "has_mentions": "m.mentions" in event["content"],
            "room_member_count": members,
            "sender_power_level": 100,
            "notification_power_levels": {"room": 50},
            "related_events_flattened": {},
            "room_version_feature_flags": [],
        },
    )
    actions = evaluator.run(rules, user, user.removeprefix("@").partition(":")[0], None)
    tweaks = [each for each in actions if isinstance(each, Mapping) and each.get("value", True) is not False]
    if tweaks:
        return Push.RING
    return Push.NOTIFY if "notify" in actions else Push.NOTHING


def message_event(content: dict[str, Any]) -> dict[str, Any]:
    """Return a message as a phone has it after decryption."""
    return {"type": "m.room.message", "sender": "@policy:line.example", "room_id": "!r", "content": content}


def encrypted_event(relation: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a message as the homeserver has it. `relation`: the unencrypted `m.relates_to`."""
    content: dict[str, Any] = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s"}
    content |= {"m.relates_to": dict(relation)} if relation else {}
    return {"type": "m.room.encrypted", "sender": "@policy:line.example", "room_id": "!r", "content": content}


def called(kind: Callable[..., Any], values: dict[str, Any]) -> Any:
    """Call a class of Synapse with the parameters that this version has."""
    names = [name.strip() for name in str(getattr(kind, "__text_signature__", "()")).strip("()").split(",")]
    return kind(*(values.get(name, False) for name in names))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, value in values.items():
        name = prefix + key.replace("\\", "\\\\").replace(".", "\\.")
        pairs |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return pairs
