"""Who may ask the rehearsal carrier what, and what it tells."""

from __future__ import annotations

import pytest

from tests.bridge.carriers.rehearsal_harness import NUMBER, TOKEN, RehearsalHarness
from tests.deploy.rehearsal.handsets import A


@pytest.mark.parametrize("authorization", [None, "", "Bearer ", f"bearer {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer é"])
async def test_token(stand: RehearsalHarness, authorization: str | None) -> None:
    """Without the very token nobody sends, lists, asks or deletes."""
    await stand.text_from_handset(A, "kept")
    (record,) = await stand.get("/api/records")
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in (
        ("POST", "/v1/messages"),
        ("GET", "/v1/messages"),
        ("GET", f"/v1/messages/{record['id']}"),
        ("DELETE", f"/v1/messages/{record['id']}"),
    ):
        body = {"to": A, "text": "x"}
        async with stand.session.request(method, stand.base + path, json=body, headers=headers) as answer:
            assert answer.status == 401
    assert await stand.texts_at_handset(A) == []
    assert len(await stand.copies()) == 1


async def test_page(stand: RehearsalHarness) -> None:
    """The page comes with the line's number, asks no other host for anything, and the browser is told so."""
    async with stand.session.get(stand.base + "/") as answer:
        html, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert NUMBER in html
    assert "{{" not in html
    assert "http:" not in html
    assert "https:" not in html
    assert "innerHTML" not in html
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2


async def test_other_sites(stand: RehearsalHarness) -> None:
    """Another web page in the same browser cannot text from these handsets."""
    body = {"from": A, "to": NUMBER, "text": "x"}
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with stand.session.post(f"{stand.base}/api/texts", json=body, headers=headers) as answer:
        assert answer.status == 403
    assert await stand.copies() == set()
