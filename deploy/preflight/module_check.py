"""What the homeserver's module says: its rules, and whether the registration, as it was loaded, claims the line's users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.matrix.api.module_api import HomeserverUnreachable, ModuleClient, ModuleNotLoaded, ModuleRequestRejected
from deploy.inspect import shared_checks
from deploy.inspect.check_report import CheckResult, unasked

if TYPE_CHECKING:
    from bridge.config.sections import Config


async def check_module(config: Config, module_client: ModuleClient) -> list[CheckResult]:
    """Check the module, and what it says of the line's two users."""
    module = await shared_checks.check_module(module_client)
    return [module, *await _check_accounts(config, module_client)]


async def _check_accounts(config: Config, module_client: ModuleClient) -> list[CheckResult]:
    """Check whether the homeserver lets us be the line's two users; where its module does not answer, its row says so.

    Asked as a user, the homeserver gives one answer for a user that is not made yet and for one that is not ours.
    """
    name, users = "homeserver", (config.policy_mxid, config.puppet_mxid)
    try:
        strangers = [user_id for user_id in users if not await module_client.is_claimed(user_id)]
    except ModuleNotLoaded:
        do = "Load the module that comes with this version, start the homeserver again, and ask again."
        return [unasked(name, "cannot tell whose the accounts are", do)]
    except (HomeserverUnreachable, ModuleRequestRejected):
        return []
    do = (
        "Compare the registration's namespaces with the line's slug and homeserver.server_name, and start the homeserver "
        "again with the right registration."
    )
    what = f"its registration does not claim {', '.join(strangers)}" if strangers else "claims both accounts"
    return [CheckResult(name=name, ok=not strangers, what=what, do=do if strangers else "")]
