"""English: notices of the line itself: devices, retries, recaps, what is not erased yet, rooms, calls outside."""

from __future__ import annotations

from typing import Final

NOTICES: Final[dict[str, str]] = {
    "audit.nothing": "Nothing is noted.",
    "devices.is_trusted": "trusted",
    "devices.none": "No devices are known.",
    "devices.not_trusted": "NOT trusted: it gets nothing and commands nothing",
    "devices.stale": " · STALE: it has said nothing here for {days} days; !signout ends it",
    "page.needed": "You are needed at the desk.",
    "page.second": (
        "A second copy of the program was started, and was refused. What ran before was not touched: where the desk "
        "answers, this can wait until the day. Please tell the technician."
    ),
    "page.test": "TEST: nobody is needed. Please say that this reached you.",
    "recap.file": "(a file)",
    "recap.goes_in": "This goes in {minutes} minutes, or when anybody takes out a message.",
    "recap.going": "{going} that will be gone in a few minutes are left out.",
    "recap.heading": (
        "What colleagues typed here, for devices that came later. In brackets: what became of it for the phone."
    ),
    "recap.it_goes_on": "{words} … (it goes on)",
    "recap.keys_sent": "The keys of this room are on their way to your devices.",
    "recap.lookup_refused": (
        "What colleagues typed could not be looked up: the homeserver refuses it. Please tell the technician."
    ),
    "recap.nobody": "Nobody of the desk has typed anything here yet.",
    "recap.nothing": "Nothing of what colleagues typed here can be said again.",
    "recap.older": "Older ones are left out.",
    "recap.on_hold": "This goes when the hold is lifted.",
    "recap.too_late": "What colleagues typed was not said again: it took too long. Say !recap once more.",
    "recap.unread": "{unread} are left out that could not be read or came from a device that was not verified.",
    "remains.because": "{what} ({why})",
    "remains.being_purged": "the homeserver still purges it",
    "remains.copies": "copies of texts at the carrier",
    "remains.copy": "a copy of a text at the carrier",
    "remains.database_damaged": "our own database is damaged",
    "remains.database_in_use": "the database is in use",
    "remains.due": "what is due",
    "remains.event_readable": "an event can still be fetched",
    "remains.homeserver_silent": "the homeserver does not answer",
    "remains.leftovers": "the homeserver still has something of it",
    "remains.log_in_use": "the database's log is in use",
    "remains.message": "a message whose time has come",
    "remains.message_readable": "a message was redacted and can still be read",
    "remains.not_redacted": "the homeserver refuses to redact it",
    "remains.program_failed": "the program fails at it",
    "remains.room": "a room",
    "remains.rows": "rows of our own database",
    "remains.step_refused": "the homeserver refuses a step of it",
    "remains.still_readable": "it was redacted and can still be read",
    "remains.texter": "what was kept of a texter",
    "remains.upload": "an upload is still there",
    "retry.not_retryable": "That is nothing that can be tried again. It is kept for the technician.",
    "retry.not_stored": "Its words were not kept: an agreed word may have stood in them. Ask them to say it again.",
    "retry.retrying": "It is tried once more. If it fails again there is another alert.",
    "retry.unknown": "Nothing is kept under that id: it was tried again already, or its conversation is over.",
    "reveal.shown": "{designation}: {number}\nThis is taken back in a minute. It was noted that you saw it.",
    "room.invited": "Say !help when you are in: it lets your device read everything here.",
    "room.invited_to_thread": (
        "What its advocate writes in here goes to a phone. What your device cannot read, !recap says again."
    ),
    "room.nothing_readable": "Nothing here can be read?",
    "room.unreadable": (
        "This device is not verified, or nobody has confirmed its owner yet. Verify it in the settings of your "
        "client; who is new asks a supervisor, and the first supervisor asks whoever runs the server."
    ),
    "sign_out.everywhere": (
        "{user} is signed out everywhere ({devices} device(s)). Whatever they log in with next has to be verified anew."
    ),
    "sign_out.here_only": (
        "{user} has lost {devices} device(s) here. NOT signed out at the login service: its sessions may bring them "
        "back. Whoever administers it must end them there. Tell the technician."
    ),
    "sign_out.no_answer": "{user} could NOT be signed out: the homeserver does not answer. Tell the technician.",
    "sign_out.no_module": "{user} could NOT be signed out: the homeserver has no module of ours. Tell the technician.",
    "sign_out.nobody": (
        "{user} could NOT be signed out: the homeserver knows nobody of that name at the desk. Tell the technician."
    ),
}
