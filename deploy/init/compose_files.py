"""`compose.yaml`: a line in containers: homeserver, bridge and canary from one image, PostgreSQL and Caddy.

Rules of this module: every container is read-only, has no capabilities and does not run as root; only the proxy listens on
a public address. Each part has its own address in a network of the line, and the others reach it by its name, so any part
can restart, also with the machine. A PostgreSQL of the line (its URL has the host `database`) is in an internal network
that leads nowhere else. A container with its own address cannot reach the machine's loopback: when a gateway or the
agency's Synapse listens there, and without Caddy, all containers use the machine's network, on loopback. The bridge is
healthy while it answers `/live`, also without its homeserver, because it still accepts texts; `quietline status` reports
readiness. A rehearsal is one container that runs `up`. A container engine restarts a container whatever its exit code, so
each of ours runs its verb by `stay`, which does not end after a refusal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.postgres_url import PostgresUrl
from bridge.runtime.program import ROOT
from bridge.runtime.settings import is_loopback_host
from deploy.data_dir.layout import DEFAULT_PORT_BASE, Ports
from deploy.data_dir.secret_files import Secrets
from deploy.init.answers import COMPOSE_DATABASE as DATABASE
from deploy.init.render import render
from deploy.stack.homeserver_database import LOG_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers

IMAGE: Final = "localhost/quietline"
CADDY: Final = "docker.io/library/caddy:2"
CONTAINER_USER: Final = 10001
"""The user id that runs the line when root made its files; the image's own user."""
POSTGRES: Final = "docker.io/library/postgres:17"
POSTGRES_DATA, PROXY_DATA = "postgresql", "proxy/data"
"""Directories of PostgreSQL's database and Caddy's certificates, within the line's directory."""
PYTHON: Final = "/opt/quietline/.venv/bin/python"
EXEC: Final = f"docker compose exec bridge {PYTHON} -P -m deploy"
"""How a verb is run beside the bridge, in its container."""
LIVE: Final = "__import__('urllib.request').request.urlopen('{url}',timeout=5)"
"""Without a space: Podman splits the arguments of a health check at spaces when Compose passes them."""


def compose_files(answers: Answers, layout: Layout) -> Mapping[str, str]:
    """Return `compose.yaml`."""
    ports = Ports(DEFAULT_PORT_BASE)
    text = render(
        "compose.yaml",
        rehearsal=answers.mode == "rehearsal",
        embedded=answers.homeserver is None,
        own_network=has_own_network(answers),
        proxied=_is_proxied(answers),
        root=ROOT,
        data=layout.data,
        python=PYTHON,
        user=":".join(map(str, container_owner())),
        image=IMAGE,
        homeserver_answers=LIVE.format(url=f"{ports.url('homeserver')}/health"),
        bridge_answers=LIVE.format(url=f"{ports.url('bridge')}/live"),
        bridge_url=f"http://bridge:{ports.bridge}",
        backups=answers.backup.to if answers.backup is not None else None,  # `doctor` looks there for the newest one
        database=DATABASE,
        postgres=PostgresUrl.parse(str(answers.postgres)) if runs_postgres(answers) else None,
        postgres_image=POSTGRES,
        postgres_data=POSTGRES_DATA,
        postgres_password=Secrets(directory=layout.secrets).postgres_password,
        log_settings=LOG_SETTINGS,
        caddy=CADDY,
        proxy_data=PROXY_DATA,
    )
    return {"compose.yaml": text}


def has_own_network(answers: Answers) -> bool:
    """Whether each part has its own address: with Caddy, and when no part calls a service on loopback."""
    if answers.service != "compose" or not _is_proxied(answers):
        return False
    called = [answers.homeserver.url] if answers.homeserver is not None else []
    kind = CARRIER_KINDS.get(str((answers.carrier or {}).get("kind")))
    if kind is not None:
        api_base = (answers.carrier or {}).get("api_base", kind.settings.model_fields["api_base"].default)
        called.append(str(api_base or ""))
    return not any(is_loopback_host(urlsplit(url).hostname or "") for url in called)


def compose_directories(answers: Answers) -> tuple[str, ...]:
    """Return the directories that containers write to; an engine would make them with root as owner."""
    if answers.service != "compose":
        return ()
    return (*((PROXY_DATA,) if _is_proxied(answers) else ()), *((POSTGRES_DATA,) if runs_postgres(answers) else ()))


def runs_postgres(answers: Answers) -> bool:
    """Whether Compose runs the homeserver's PostgreSQL: its URL names the service as the host."""
    if answers.service != "compose" or answers.postgres is None:
        return False
    return PostgresUrl.parse(answers.postgres).host == DATABASE


def container_owner() -> tuple[int, int]:
    """Return user id and group id for all our containers: those of the user who writes the files, but never root."""
    return (CONTAINER_USER, CONTAINER_USER) if os.getuid() == 0 else (os.getuid(), os.getgid())


def _is_proxied(answers: Answers) -> bool:
    return answers.public_url is not None and answers.proxy_kind == "caddy" and answers.mode != "rehearsal"
