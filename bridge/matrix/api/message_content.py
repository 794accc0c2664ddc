"""The content of the messages that we send.

Rules of this module: every message says who is mentioned, also when nobody is. No message of ours has a formatted body.
What we edit (cards, the board) are notices of the policy bot, and so is every edit: it rings nobody.
"""

from __future__ import annotations

from typing import Any

from bot.model.actions import EditMessage, SendMessage


def message_content(post: SendMessage) -> dict[str, Any]:
    """Return the content of a message (Client-Server API, m.room.message), with mentions always told."""
    content: dict[str, Any] = {
        "msgtype": "m.notice" if post.notice else "m.text",
        "body": post.body,
        "m.mentions": {"user_ids": list(post.mentions)} if post.mentions else {},
    }
    if post.reply_to:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": post.reply_to}}
    return content


def edit_content(edit: EditMessage, target: str) -> dict[str, Any]:
    """Return the content of an edit (Client-Server API, event replacements)."""
    return {
        "msgtype": "m.notice",
        "body": f"* {edit.body}",
        "m.mentions": {},
        "m.new_content": {"msgtype": "m.notice", "body": edit.body, "m.mentions": {}},
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
    }
