"""The proxy's file: which paths lead where, and that nothing is logged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.init.answers import answers, run_init


@pytest.mark.parametrize(("kind", "name"), [("caddy", "Caddyfile"), ("nginx", "nginx.conf")])
def test_only_webhooks_and_clients_come_through(tmp_path: Path, kind: str, name: str) -> None:
    """`/carriers/` leads to the bridge, `/_matrix/` and well-known to the homeserver, else is 404; nothing is logged."""
    assert run_init(tmp_path, answers(proxy=kind)).exit_code == 0
    (file,) = (tmp_path / "line" / "proxy").iterdir()
    assert file.name == name
    text = file.read_text()
    assert "text.agency.org" in text
    if kind == "caddy":
        ways = re.findall(r"handle (\S+) \{\n\t\treverse_proxy (\S+)\n", text)
        assert ways == [("/carriers/*", "127.0.0.1:8449"), ("@homeserver", "127.0.0.1:8448")]
        assert "@homeserver path /_matrix/* /.well-known/matrix/client\n" in text
        assert "handle {\n\t\trespond 404\n" in text
        assert "exclude http.log.error" in text
        assert not re.search(r"^\t*log\b(?! \{\n\t\tlevel ERROR)", text, re.MULTILINE), "an access log"
    else:
        ways = re.findall(r"location (.+) \{\n +(?:proxy_pass|return) (\S+);", text)
        assert ways == [
            ("/carriers/", "http://127.0.0.1:8449"),
            ("/_matrix/", "http://127.0.0.1:8448"),
            ("= /.well-known/matrix/client", "http://127.0.0.1:8448"),
            ("/", "404"),
        ]
        assert "access_log off;" in text
        assert "error_log /dev/null crit;" in text


def test_without_a_public_url_there_is_no_proxy(tmp_path: Path) -> None:
    """A line of this machine alone, or one behind a proxy of the agency's own, gets no file; the checklist says so."""
    assert run_init(tmp_path, answers(proxy="none")).exit_code == 0
    assert not (tmp_path / "line" / "proxy").exists()
    assert "Your proxy passes `/carriers/` to the bridge" in (tmp_path / "line" / "CHECKLIST.md").read_text()
