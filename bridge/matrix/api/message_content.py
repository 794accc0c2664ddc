"""The content of the messages that we send.

Rules of this module: every message says who is mentioned, also when nobody is. We edit only messages of the policy bot
(cards, the board, repeated alarms), and every edit is an `m.notice`, which notifies nobody. A formatted body is made from
the body, has exactly its words, and is for our own texts only: never for words of a texter or of an advocate.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

from bot.model.actions import EditMessage, SendMessage

COMMAND: Final = re.compile(r"(?<!\w)![a-z]+(?:-[a-z]+)*")
LOUD: Final = re.compile(r"⚠️|[A-Z]{4,}\b")
"""Beginnings of a line about a stop or a danger for a phone."""


def message_content(post: SendMessage) -> dict[str, Any]:
    """Return the content of a message (Client-Server API, m.room.message), always with mentions."""
    content: dict[str, Any] = {
        "msgtype": "m.notice" if post.notice else "m.text",
        "body": post.body,
        **(_html_fields(post.body) if post.formatted else {}),
        "m.mentions": {"user_ids": list(post.mentions)} if post.mentions else {},
    }
    if post.reply_to:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": post.reply_to}}
    return content


def edit_content(edit: EditMessage, target: str) -> dict[str, Any]:
    """Return the content of an edit (Client-Server API, event replacements).

    Only the new content has a formatted body: with one in the fallback too, a full board would be too long for an event.
    """
    new = {"msgtype": "m.notice", "body": edit.body, "m.mentions": {}}
    return {
        "msgtype": "m.notice",
        "body": f"* {edit.body}",
        "m.mentions": {},
        "m.new_content": new | (_html_fields(edit.body) if edit.formatted else {}),
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
    }


def _html_fields(body: str) -> dict[str, str]:
    """Return the body as HTML: line by line, alarms and headings in bold, commands as code."""
    return {"format": "org.matrix.custom.html", "formatted_body": "<br>".join(map(_line, body.split("\n")))}


def _line(line: str) -> str:
    command, dash, what = line.partition(" — ")
    if dash and not COMMAND.match(command):
        return f"<strong>{_codes(command)}</strong>{dash}{_codes(what)}"
    return f"<strong>{_codes(line)}</strong>" if LOUD.match(line) or line.endswith(":") else _codes(line)


def _codes(words: str) -> str:
    """Escape words, and set commands among them apart."""
    return COMMAND.sub(r"<code>\g<0></code>", html.escape(words, quote=False))
