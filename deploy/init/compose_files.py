"""`compose.yaml`: a line in containers: homeserver, bridge, PostgreSQL and Caddy, the first two of one image.

Rules of this module: every container is read-only, without rights and not root; only the proxy listens outside, and shares
its network with homeserver and bridge, whose ports stay on loopback; a PostgreSQL (its URL has the host `database`) is in
a network of its own with them, and reaches nothing. The bridge is healthy while it answers at all (`/live`): a homeserver
that is away makes it no less so, because texts are taken in meanwhile. Ready is what `quietline status` says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from bridge.runtime.postgres_url import PostgresUrl
from deploy.data_dir.layout import DEFAULT_PORT_BASE, Ports
from deploy.data_dir.secret_files import Secrets
from deploy.init.answers import COMPOSE_DATABASE as DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers

ROOT: Final = Path(__file__).resolve().parent.parent.parent
IMAGE: Final = "localhost/quietline"
CADDY: Final = "docker.io/library/caddy:2"
CONTAINER_USER: Final = 10001
"""Who runs the line where root has made it; the image's own user."""
POSTGRES: Final = "docker.io/library/postgres:17"
POSTGRES_DATA, PROXY_DATA = "postgresql", "proxy/data"
"""What PostgreSQL and Caddy keep, in the line's directory: the database; certificates."""
PYTHON: Final = "/opt/quietline/.venv/bin/python"
HEADER: Final = """\
# Written by `quietline init`. The line's directory is mounted in its own place, because the configuration has whole paths.
#   docker compose build && docker compose up -d
#   docker compose exec bridge {python} -P -m deploy status --data {data}
"""
LIVE: Final = "import urllib.request as r; r.urlopen('{url}', timeout=5)"
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
    proxied, stored = _is_proxied(answers), runs_postgres(answers)
    ports = Ports(DEFAULT_PORT_BASE)
    ours = _of_our_image(layout, "service:proxy" if proxied else "host")
    # In the machine's own network no name of Compose's is known; the port is published to loopback there.
    ours |= {"extra_hosts": [f"{DATABASE}:127.0.0.1"]} if stored and not proxied else {}
    services: dict[str, Any] = {}
    if answers.homeserver is None:
        services["homeserver"] = {
            **ours,
            "command": ["homeserver", "--data", str(layout.data)],
            **({"depends_on": {DATABASE: {"condition": "service_healthy"}}} if stored else {}),
            "healthcheck": _healthcheck(PYTHON, "-c", LIVE.format(url=f"{ports.url('homeserver')}/health")),
        }
    services["bridge"] = {
        **ours,
        "command": ["bridge", "--data", str(layout.data)],
        "healthcheck": _healthcheck(PYTHON, "-c", LIVE.format(url=f"{ports.url('bridge')}/live")),
    }
    next(iter(services.values()))["build"] = {"context": str(ROOT), "dockerfile": "deploy/containers/Containerfile"}
    told: dict[str, Any] = {"services": services}
    if stored:
        services[DATABASE] = _postgres(answers, layout, published=not proxied)
        told["networks"] = {"default": {}, "data": {"internal": True}}
    if proxied:
        services["proxy"] = {
            "image": CADDY,
            "user": ":".join(map(str, container_owner())),
            **CLOSED,
            # The image's program bears this right, and is not executed without it.
            "cap_add": ["NET_BIND_SERVICE"],
            "ports": ["80:80", "443:443"],
            "volumes": [f"{layout.data}/proxy/Caddyfile:/etc/caddy/Caddyfile:ro", f"{layout.data / PROXY_DATA}:/data"],
            "tmpfs": ["/config:mode=1777"],
            **({"networks": ["default", "data"]} if stored else {}),
        }
    return {"compose.yaml": HEADER.format(python=PYTHON, data=layout.data) + yaml.safe_dump(told, sort_keys=False)}


def compose_directories(answers: Answers) -> tuple[str, ...]:
    """Name the directories that containers write and an engine would make as root's."""
    if answers.service != "compose":
        return ()
    return (*((PROXY_DATA,) if _is_proxied(answers) else ()), *((POSTGRES_DATA,) if runs_postgres(answers) else ()))


def runs_postgres(answers: Answers) -> bool:
    """Whether Compose runs the homeserver's PostgreSQL: its URL names the service as the host."""
    if answers.service != "compose" or answers.postgres is None:
        return False
    return PostgresUrl.parse(answers.postgres).host == DATABASE


def container_owner() -> tuple[int, int]:
    """Return who runs everything of ours: who writes the files, and never root."""
    return (CONTAINER_USER, CONTAINER_USER) if os.getuid() == 0 else (os.getuid(), os.getgid())


def _is_proxied(answers: Answers) -> bool:
    return answers.public_url is not None and answers.proxy_kind == "caddy"


def _of_our_image(layout: Layout, network: str) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "user": ":".join(map(str, container_owner())),
        **CLOSED,
        "network_mode": network,
        "volumes": [f"{layout.data}:{layout.data}"],
        "tmpfs": ["/tmp:mode=1777,size=64m"],  # noqa: S108 - within the container
        "init": True,
        "stop_grace_period": "40s",
        "ulimits": {"core": 0},
    }


def _postgres(answers: Answers, layout: Layout, *, published: bool) -> dict[str, Any]:
    """Describe PostgreSQL as Synapse wants it; the image's own program makes role and database at the first start."""
    url = PostgresUrl.parse(str(answers.postgres))
    return {
        "image": POSTGRES,
        "user": ":".join(map(str, container_owner())),
        **CLOSED,
        # What is done with of the write-ahead log is removed, and not kept with words in it.
        "command": ["postgres", "-c", "wal_recycle=off"],
        "environment": {
            "POSTGRES_USER": url.user,
            "POSTGRES_DB": url.database,
            "POSTGRES_PASSWORD_FILE": "/run/password",
            "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C",
        },
        "volumes": [
            f"{layout.data / POSTGRES_DATA}:/var/lib/postgresql/data",
            f"{Secrets(directory=layout.secrets).postgres_password}:/run/password:ro",
        ],
        "tmpfs": ["/tmp", "/var/run/postgresql:mode=1777"],  # noqa: S108 - within the container
        "networks": ["data"],
        **({"ports": ["127.0.0.1:5432:5432"], "networks": ["default"]} if published else {}),
        "stop_grace_period": "40s",
        "ulimits": {"core": 0},
        "healthcheck": _healthcheck("pg_isready", "-q", "-U", url.user, "-d", url.database),
    }


def _healthcheck(*words: str) -> dict[str, Any]:
    return {"test": ["CMD", *words], "interval": "30s", "timeout": "10s", "retries": 3, "start_period": "10m"}
