"""The chart's values as helm takes them: what is refused and why, and that none is there for nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.kubernetes.cluster_api import running_cluster
from tests.deploy.kubernetes.rendered import (
    NAMESPACE,
    RELEASE,
    Chart,
    Refused,
    Values,
    one,
)
from tests.every_row import every_row

KEY = "0123456789abcdef" * 4


REFUSED: list[tuple[Values, str]] = [
    ({"upgrade": {"enabled": True}}, "needs the line stopped"),
    ({"backup": {"enabled": True}}, "backup.existingClaim"),
    ({"line": {"calendar": {"file": "a.ics", "address": True}}}, "a file or an address"),
    ({"line": {"calendar": {"address": True}}}, "networkPolicy.calendar.cidrs"),
    ({"ingress": {"enabled": True}, "httpRoute": {"enabled": True}}, "one way in"),
    ({"httpRoute": {"enabled": True}}, "name the gateway"),
    ({"networkPolicy": {"enabled": False}}, "may read the metrics"),
    ({"metrics": {"enabled": False, "serviceMonitor": {"enabled": True}}}, "needs it"),
    ({"networkPolicy": {"ingressController": []}}, "networkPolicy.ingressController"),
    ({"networkPolicy": {"homeserver": {"peers": []}}}, "networkPolicy.homeserver.peers"),
    ({"networkPolicy": {"database": {"peers": []}}}, "networkPolicy.database.peers"),
    ({"networkPolicy": {"carrier": {"cidrs": []}}}, "networkPolicy.carrier.cidrs"),
    ({"networkPolicy": {"prometheus": []}}, "networkPolicy.prometheus"),
    ({"line": {"onCall": {"webhook": True}}}, "networkPolicy.onCall.cidrs"),
    ({"secrets": {"vault_key": KEY}}, "vault_key"),
    ({"carrier": {"api_key": KEY}}, "api_key"),
    ({"unknown": 1}, "unknown"),
]


@every_row(("values", "reason"), REFUSED)
def test_what_cannot_work_is_refused_and_says_why(chart: Chart, values: Values, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as refused:
        chart.render(values=values)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ({"server_name": "text.agency.org", "slug": "main"}, None),
        ({"server_name": "old.agency.org", "slug": "main"}, "this line was made on old.agency.org"),
        ({"server_name": "text.agency.org", "slug": "night"}, "this line was made as night"),
    ],
    ids=["as it was", "another server", "another name"],
)
def test_a_line_stays_on_its_server_and_keeps_its_name(
    chart: Chart, tmp_path: Path, before: dict[str, str], reason: str | None
) -> None:
    """It asks the cluster what the line is; the object that says so is the chart's own, and outlives the release."""
    noted = one(chart.render(), "ConfigMap", f"{RELEASE}-line")
    assert noted["data"] == {"server_name": "text.agency.org", "slug": "main"}
    with running_cluster(tmp_path, namespace=NAMESPACE, config_maps={f"{RELEASE}-line": before}) as kubeconfig:
        asks = ("--dry-run=server", "--disable-openapi-validation", "--kubeconfig", kubeconfig)
        # This cluster has no other kind: what the chart does not refuse ends there.
        with pytest.raises(Refused, match=reason or "no matches for kind") as refused:
            chart.text(more=asks)
        assert ("this line was made" in str(refused.value)) is (reason is not None)


OTHER: dict[str, Any] = {
    "line.packs": ["base"],
    "line.staff": [{"mxid": "@eve:text.agency.org", "role": "supervisor"}],
    "line.numbers": ["+15125550199"],
    "line.onCall.email": {"host": "other.agency.org", "sender": "a@agency.org", "to": ["b@agency.org"]},
    "carrier": {"texts_per_second": 7},
    "secrets.elsewhere": {"vault_key": {"name": "other", "key": "other"}},
    "quietHours": [1, 2],
    "logLevel": "DEBUG",
    "keys.mode": "follows",
    "keys.size": "7Gi",
    "spread": "required",
    "image.digest": f"sha256:{'3' * 64}",
    "gate.image.digest": f"sha256:{'3' * 64}",
    "tolerations": [{"operator": "Exists"}],
    "httpRoute.parentRefs": [{"name": "other"}],
    "metrics.serviceMonitor.interval": "1m",
    "gate.hold": "1m",
    "backup.keep": "9",
}
"""What another value of a key may be, where no guess by its kind is one."""
GUESSES: tuple[Any, ...] = (
    *(True, False, 1, 3, 700, 40, 2.5, ["registry-two"], [{"podSelector": {}}], ["198.51.100.0/24"], [8443]),
    *({"other": "value"}, "other", "1 1 * * *", "other.agency.org", "https://other.agency.org", "+15125550198", "Never"),
    *("Always", "other.crt", "1h"),
)
UNDER: dict[str, tuple[str, ...]] = {
    "image.tag": (),
    "gate.image.tag": (),
    "upgrade.enabled": ("upgrade",),
    "httpRoute.parentRefs": ("http-route",),
    "line.packsFrom.secret": ("base-pack-only",),
    "database.ca.configMap": (),
    "homeserver.adminToken": (),
    "keys.existingClaim": (),
    "networkPolicy.publicAddress.ports": ("public-address",),
}
"""With which fragments a value is tried, where it says nothing beside all parts at once."""
