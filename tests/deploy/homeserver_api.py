"""Asking a real homeserver over HTTP, as a client would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

    from deploy.data_dir.layout import Layout, Ports
    from deploy.data_dir.secret_files import StaffAccount


class RunningHomeserver:
    """A running homeserver and who may sign in."""

    def __init__(
        self, layout: Layout, ports: Ports, accounts: tuple[StaffAccount, ...], http: aiohttp.ClientSession
    ) -> None:
        self.layout = layout
        self.url = ports.url("homeserver")
        self.accounts = accounts
        self.http = http

    async def ask(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, self.url + path, headers=headers, json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    async def sign_in(self, account: StaffAccount) -> str:
        who = {"type": "m.id.user", "user": account.user}
        body = {"type": "m.login.password", "identifier": who, "password": account.password}
        status, answer = await self.ask("POST", "/_matrix/client/v3/login", body=body)
        assert status == 200
        return str(answer["access_token"])
