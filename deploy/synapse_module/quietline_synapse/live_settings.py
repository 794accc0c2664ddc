"""What the settings of the running Synapse mean for a line, as sentences, whatever its files say.

Rule of this module: a setting is read from the running process; a setting that this version does not have is skipped.
`exposing_settings` lists what shows or keeps more than a line needs; `limits` lists what slows the bridge or people who
type.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from quietline_synapse.synapse_internals import SynapseInternals

MIN_MESSAGES_PER_SECOND: Final = 5.0
"""Messages a second that a person must be able to send: some type quickly, and clients add reactions and redactions."""


def exposing_settings(internals: SynapseInternals) -> list[str]:
    """Return a sentence, with the setting's name, for each setting that shows or keeps more than a line needs."""
    setting = internals.setting
    problems = []
    if setting("registration", "enable_registration", False):
        problems.append("enable_registration: anybody can make an account")
    if setting("registration", "allow_guest_access", False):
        problems.append("allow_guest_access: guests can come in")
    if "federation" in _listener_names(setting("server", "listeners", ())):
        problems.append("listeners: it listens for other homeservers")
    if setting("server", "presence_enabled", False):
        problems.append("presence: who is online when is shown to others and kept")
    if setting("push", "push_include_content", False):
        problems.append(
            "push: include_content sends names of rooms and people to the vendors of telephones; set it to false"
        )
    # On PostgreSQL the rows of a purged room are deleted from the index like all others.
    if internals.engine == "sqlite" and setting("server", "enable_search", False):
        problems.append("enable_search: the search index holds names of rooms as well; set it to false")
    if logging.getLogger().getEffectiveLevel() < logging.WARNING:
        problems.append("log_config: the log names people and rooms; set the root logger to WARNING")
    return problems


def limits(internals: SynapseInternals, token: str) -> list[str]:
    """Return a sentence for each rate limit that slows people at the desk, or the bridge with this token."""
    problems = []
    if internals.is_limited_service(token):
        problems.append("registration: without `rate_limited: false` the bridge waits, and texts with it")
    rate = getattr(internals.setting("ratelimiting", "rc_message", None), "per_second", MIN_MESSAGES_PER_SECOND)
    if rate < MIN_MESSAGES_PER_SECOND:
        problems.append(f"rc_message: per_second is {rate:g}, which holds up a person who types quickly")
    return problems


def _listener_names(listeners: Any) -> set[str]:
    names: set[str] = set()
    for listener in listeners:
        for resource in getattr(getattr(listener, "http_options", None), "resources", ()):
            names |= set(resource.names)
    return names
