"""The homeserver that lines of tests are given (`tests/fakes/provisioned_homeserver.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.data_dir.layout import Layout, Ports
from deploy.stack.provision import open_secrets
from tests.fakes.provisioned_homeserver import DATABASE, provision, put_homeserver

if TYPE_CHECKING:
    from pathlib import Path


async def test_two_lines_share_accounts_and_no_secret(tmp_path: Path) -> None:
    """Each has a homeserver that is not started again to make accounts; all but what its database knows is its own."""
    lines = [Layout(tmp_path / name) for name in ("one", "two")]
    for layout in lines:
        await put_homeserver(layout)
        await provision(layout, Ports(20_000))
        assert not layout.log("homeserver").exists(), "it was started"
        for path in (layout.provisioned_file, layout.homeserver / DATABASE, *layout.secrets.iterdir()):
            assert path.stat().st_mode & 0o777 == 0o600, path
    one, two = ({path.name: path.read_text() for path in layout.secrets.iterdir()} for layout in lines)
    assert one.keys() == two.keys() >= {"vault.key", "as_token", "macaroon_secret", "carrier_store.key"}
    secrets = open_secrets(lines[0])
    assert {name for name in one if one[name] == two[name]} == {secrets.accounts.name, secrets.signing_key.name}


async def test_it_is_put_only_where_nothing_is(tmp_path: Path) -> None:
    """A line that is there is left as it is."""
    layout = Layout(tmp_path)
    layout.config.write_text("lines: []")
    with pytest.raises(AssertionError, match="there is a line already"):
        await put_homeserver(layout)
    assert [path.name for path in layout.data.iterdir()] == ["config.yaml"]
