"""What clients of a line are given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.init.answers import answers, joined, run_init

"""Of the keys that Element reads, those of use here (element-hq/element-web, apps/web/src/IConfigOptions.ts)."""
"""Of what Element lets be hidden, the same (apps/web/src/settings/UIFeature.ts)."""


def element(tmp_path: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    assert run_init(tmp_path, inputs).exit_code == 0
    config: dict[str, Any] = json.loads((tmp_path / "line" / "client" / "config.json").read_text())
    return config


@pytest.mark.parametrize(
    ("inputs", "address"),
    [(answers(), "https://text.agency.org"), (joined(), "https://matrix.agency.org")],
    ids=["embedded", "joined"],
)
def test_element_knows_this_homeserver_and_nobody_else(tmp_path: Path, inputs: dict[str, Any], address: str) -> None:
    """The address is that of the hand-outs, the name that of the accounts; no other address stands in the file."""
    config = element(tmp_path, inputs)
    assert config["default_server_config"] == {"m.homeserver": {"base_url": address, "server_name": "text.agency.org"}}
    assert config["disable_custom_urls"] is True
    assert set(re.findall(r"https?://[^\"]+", json.dumps(config))) == {address}
    assert f"homeserver: {address}\n" in (tmp_path / "line" / "handout" / "mira.txt").read_text()


def test_element_asks_nobody_of_its_makers(tmp_path: Path) -> None:
    """What it would ask where nothing is said is said to be nothing; each new login is verified, and others excluded."""
    config = element(tmp_path, answers())
    assert {config[key] for key in ("integrations_ui_url", "integrations_rest_url", "integrations_widgets_urls")} == {None}
    assert not config.keys() & {"posthog", "sentry", "bug_report_endpoint_url", "map_style_url"}
    assert (config["force_verification"], config["features"]) == (True, {"feature_exclude_insecure_devices": True})
    hidden = {"UIFeature.identityServer", "UIFeature.registration", "UIFeature.urlPreviews", "UIFeature.voip"}
    assert hidden <= {key for key, shown in config["setting_defaults"].items() if shown is False}


def test_a_name_elsewhere_leads_clients_to_the_homeserver(tmp_path: Path) -> None:
    """What the name of the accounts has to answer is in a file, which the checklist names."""
    assert run_init(tmp_path, answers(server_name="agency.org")).exit_code == 0
    line = tmp_path / "line"
    well_known = json.loads((line / "client" / "well-known.json").read_text())
    assert well_known == {"m.homeserver": {"base_url": "https://text.agency.org"}}
    page = (line / "CHECKLIST.md").read_text()
    assert "`https://agency.org/.well-known/matrix/client` answers what is in `client/well-known.json`" in page
    assert "`client/config.json` is its configuration" in page


def test_what_no_client_reaches_from_outside_has_none(tmp_path: Path) -> None:
    """A rehearsal, and a line of this machine alone; on the agency's Synapse its own well-known file stands."""
    for inputs in (answers(mode="rehearsal", carrier=None), answers(public_url=None)):
        place = tmp_path / inputs["mode"]
        place.mkdir()
        assert run_init(place, inputs).exit_code == 0
        assert not (place / "line" / "client").exists()
    place = tmp_path / "joined"
    place.mkdir()
    assert run_init(place, joined()).exit_code == 0
    assert [path.name for path in (place / "line" / "client").iterdir()] == ["config.json"]
