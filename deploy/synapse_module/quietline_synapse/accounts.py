"""Accounts of an agency's own staff on an embedded homeserver: made, given a new password, deactivated.

Rules of this module: it works only with `accounts: true` in the module's configuration, which only an embedded homeserver
has, and only for the line that runs it. It never changes an administrator or an identity of any line, makes nobody an
administrator and signs nobody in. The name of a person who has left is not given to another. A password is read from the
body, compared only with that account's, and never logged.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, Final

from synapse.module_api.errors import SynapseError

from quietline_synapse.rooms import refusal
from quietline_synapse.settings import LineSettings, ModuleSettings
from quietline_synapse.synapse_internals import SynapseInternals

NO_ACCOUNTS: Final = "QUIETLINE_NO_ACCOUNTS"
NOT_STAFF: Final = "QUIETLINE_NOT_STAFF"
LOCALPART: Final = re.compile(r"[a-z0-9][a-z0-9._=/+-]{0,199}")
"""Matrix specification, appendix on user ids; without a leading underscore, which Synapse reserves."""
MIN_PASSWORD_LENGTH: Final = 16
MAX_BODY_BYTES: Final = 4096


class Accounts:
    """Makes and deactivates accounts of this homeserver. Users are given by user id."""

    def __init__(
        self, *, internals: SynapseInternals, settings: ModuleSettings, line: LineSettings, server_name: str
    ) -> None:
        self._internals, self._settings, self._line, self._server_name = internals, settings, line, server_name

    async def make(self, user_id: str, request: Any) -> None:
        """Make an account with the password of the body. Raises M_USER_IN_USE for a name that a person has or had."""
        localpart = self._localpart(user_id)
        await self._internals.make_account(localpart, _password(request))

    async def set_password(self, user_id: str, request: Any) -> None:
        """Give an account the password of the body, and sign it out everywhere."""
        await self._require_staff(user_id)
        await self._internals.set_password(user_id, _password(request))

    async def is_password(self, user_id: str, request: Any) -> bool:
        """Whether the password of the body is the account's; `doctor` reports first passwords that were not changed."""
        await self._require_staff(user_id)
        return await self._internals.has_password(user_id, _password(request))

    async def deactivate(self, user_id: str) -> None:
        """Sign an account out everywhere and deactivate it; also when it is deactivated already."""
        await self._require_staff(user_id, allow_deactivated=True)
        await self._internals.deactivate_account(user_id)

    def _localpart(self, user_id: str) -> str:
        if not self._line.accounts:
            raise refusal(NO_ACCOUNTS)
        localpart = user_id.removeprefix("@").removesuffix(f":{self._server_name}")
        if user_id != f"@{localpart}:{self._server_name}" or not LOCALPART.fullmatch(localpart):
            raise SynapseError(HTTPStatus.BAD_REQUEST, "Not a name of this homeserver", "M_INVALID_USERNAME")
        if self._settings.is_ours(user_id):
            raise refusal(NOT_STAFF)
        return localpart

    async def _require_staff(self, user_id: str, *, allow_deactivated: bool = False) -> None:
        self._localpart(user_id)
        if not await self._internals.is_ordinary_account(user_id, allow_deactivated=allow_deactivated):
            raise refusal(NOT_STAFF)


def _password(request: Any) -> str:
    # Not Synapse's own parser, which logs what it cannot parse.
    try:
        body: Any = json.loads(request.content.read(MAX_BODY_BYTES))
    except ValueError:
        body = None
    password = body.get("password") if isinstance(body, dict) else None
    if not isinstance(password, str) or len(password) < MIN_PASSWORD_LENGTH:
        raise SynapseError(HTTPStatus.BAD_REQUEST, "A longer password is needed", "M_WEAK_PASSWORD")
    return password
