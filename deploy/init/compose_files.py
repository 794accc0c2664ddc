"""`compose.yaml`: a line in containers of one image, with Caddy in front where that was asked for.

Rules of this module: every container is read-only and without rights; only the proxy listens outside, and shares its
network with the line, whose ports stay on loopback. A container is healthy while the bridge answers at all (`/live`); a
homeserver that is away makes it no less so, because texts are taken in meanwhile. Ready is what `quietline status` says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from deploy.data_dir.layout import DEFAULT_PORT_BASE, Ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers

ROOT: Final = Path(__file__).resolve().parent.parent.parent
IMAGE: Final = "localhost/quietline"
CADDY: Final = "docker.io/library/caddy:2"
CONTAINER_USER: Final = 10001
"""Who runs the line where root has made it; the image's own user."""
HEADER: Final = """\
# Written by `quietline init`. The line's directory is mounted in its own place, because the configuration has whole paths.
#   docker compose build && docker compose up -d
#   docker compose exec line /opt/quietline/.venv/bin/python -P -m deploy status --data {data}
"""
LIVE: Final = "import urllib.request as r; r.urlopen('{url}/live', timeout=5)"
CLOSED: Final[Mapping[str, Any]] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
    # What a container prints is kept by the engine: little of it, and not for ever.
    "logging": {"driver": "local", "options": {"max-size": "4m", "max-file": "2"}},
}


def compose_files(answers: Answers, layout: Layout) -> Mapping[str, str]:
    """Return `compose.yaml`."""
    proxied = answers.public_url is not None and answers.proxy_kind == "caddy"
    live = LIVE.format(url=Ports(DEFAULT_PORT_BASE).url("bridge"))
    owner = (CONTAINER_USER, CONTAINER_USER) if os.getuid() == 0 else (os.getuid(), os.getgid())
    line: dict[str, Any] = {
        "image": IMAGE,
        "build": {"context": str(ROOT), "dockerfile": "deploy/containers/Containerfile"},
        "command": ["bridge" if answers.homeserver else "up", "--data", str(layout.data)],
        "user": ":".join(map(str, owner)),
        **CLOSED,
        "network_mode": "service:proxy" if proxied else "host",
        "volumes": [f"{layout.data}:{layout.data}"],
        "tmpfs": ["/tmp:mode=1777,size=64m"],  # noqa: S108 - within the container
        "init": True,
        "stop_grace_period": "40s",
        "ulimits": {"core": 0},
        "healthcheck": {
            "test": ["CMD", "/opt/quietline/.venv/bin/python", "-c", live],
            "interval": "30s",
            "timeout": "10s",
            "retries": 3,
            "start_period": "10m",
        },
    }
    services: dict[str, Any] = {"line": line}
    told: dict[str, Any] = {"services": services}
    if proxied:
        services["proxy"] = {
            "image": CADDY,
            **CLOSED,
            "cap_add": ["NET_BIND_SERVICE"],
            "ports": ["80:80", "443:443"],
            "volumes": ["./proxy/Caddyfile:/etc/caddy/Caddyfile:ro", "caddy:/data"],
            "tmpfs": ["/config"],
        }
        told["volumes"] = {"caddy": {}}
    return {"compose.yaml": HEADER.format(data=layout.data) + yaml.safe_dump(told, sort_keys=False)}
