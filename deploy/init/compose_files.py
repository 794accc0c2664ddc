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

import json
import os
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import yaml

from bridge.carriers.vendors.registry import CARRIER_KINDS
from bridge.runtime.postgres_url import PostgresUrl
from bridge.runtime.program import ROOT
from bridge.runtime.settings import is_loopback_host
from deploy.data_dir.layout import DEFAULT_PORT_BASE, EVERYWHERE, Ports
from deploy.data_dir.secret_files import Secrets
from deploy.init.answers import COMPOSE_DATABASE as DATABASE
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
HEADER: Final = """\
# Written by `quietline init`. The line's directory is mounted in its own place, because the configuration has whole paths.
#   docker compose build && docker compose up -d
#   docker compose exec {part} {python} -P -m deploy status --data {data}
"""
INSIDE: Final = """\
# So with every verb that asks a part of the line (check, doctor, staff, carrier check): the containers alone know where the
# others are. `backup` and `drill` run outside, as ./quietline.
"""
CANARY: Final = "# The canary, once config.yaml has a `canary` section: docker compose --profile canary up -d\n"
LIVE: Final = "__import__('urllib.request').request.urlopen('{url}',timeout=5)"
"""Without a space: Podman splits the arguments of a health check at spaces when Compose passes them."""
CLOSED: Final[Mapping[str, Any]] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
    # The engine stores a container's output: limit its size. Docker and Podman have this driver.
    "logging": {"driver": "json-file", "options": {"max-size": "4m", "max-file": "2"}},
}


def compose_files(answers: Answers, layout: Layout) -> Mapping[str, str]:
    """Return `compose.yaml`."""
    own, stored = has_own_network(answers), runs_postgres(answers)
    ours = _of_our_image(layout)
    if own:
        ours |= {"networks": ["default", *(["data"] if stored else [])]}
    else:
        # In the machine's own network Compose's names do not resolve; the port is published to loopback there.
        ours |= {"network_mode": "host", **({"extra_hosts": [f"{DATABASE}:127.0.0.1"]} if stored else {})}
    services = _rehearsal(layout, ours) if answers.mode == "rehearsal" else _line(answers, layout, ours)
    next(iter(services.values()))["build"] = {"context": str(ROOT), "dockerfile": "deploy/containers/Containerfile"}
    document: dict[str, Any] = {"services": services}
    if stored:
        services[DATABASE] = _postgres(answers, layout, published=not own)
        document["networks"] = {"default": {}, "data": {"internal": True}}
    if _is_proxied(answers):
        services["proxy"] = _proxy(layout, own=own)
    header = HEADER.format(python=PYTHON, data=layout.data, part="bridge" if "bridge" in services else "line")
    notes = (INSIDE if own else "") + (CANARY if "canary" in services else "")
    return {"compose.yaml": header + notes + _yaml(document)}


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


def _line(answers: Answers, layout: Layout, ours: dict[str, Any]) -> dict[str, Any]:
    ports, own = Ports(DEFAULT_PORT_BASE), has_own_network(answers)
    line: dict[str, Any] = {}
    if answers.homeserver is None:
        line["homeserver"] = {
            **ours,
            "command": ["stay", "homeserver", "--data", str(layout.data), *(["--listen", EVERYWHERE] if own else [])],
            **({"depends_on": {DATABASE: {"condition": "service_healthy"}}} if runs_postgres(answers) else {}),
            "healthcheck": _healthcheck(PYTHON, "-c", LIVE.format(url=f"{ports.url('homeserver')}/health")),
        }
    # `doctor` looks there for the newest backup.
    backups = [f"{answers.backup.to}:{answers.backup.to}:ro"] if answers.backup is not None else []
    line["bridge"] = {
        **ours,
        "volumes": [*ours["volumes"], *backups],
        "command": ["stay", "bridge", "--data", str(layout.data)],
        **({"depends_on": {"homeserver": {"condition": "service_started"}}} if answers.homeserver is None else {}),
        "healthcheck": _healthcheck(PYTHON, "-c", LIVE.format(url=f"{ports.url('bridge')}/live")),
    }
    line["canary"] = {
        **ours,
        "command": [
            "stay",
            "canary",
            "--data",
            str(layout.data),
            *(["--bridge", f"http://bridge:{ports.bridge}"] if own else []),
        ],
        "profiles": ["canary"],
    }
    return line


def _rehearsal(layout: Layout, ours: dict[str, Any]) -> dict[str, Any]:
    """Return the one container of a rehearsal: handsets, homeserver and bridge on the machine's loopback."""
    ready = f"{PYTHON}", "-P", "-m", "deploy", "status", "--data", str(layout.data)
    return {"line": {**ours, "command": ["stay", "up", "--data", str(layout.data)], "healthcheck": _healthcheck(*ready)}}


def _proxy(layout: Layout, *, own: bool) -> dict[str, Any]:
    network = {
        "ports": ["80:80", "443:443"],
        # So that a process without root can listen there, in any engine.
        "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
    }
    closed = dict(CLOSED)
    if not own:
        network = {"network_mode": "host"}
        # For the machine's own ports it needs its program's file capability, which this option would disable.
        closed.pop("security_opt")
    return {
        "image": CADDY,
        "user": ":".join(map(str, container_owner())),
        **closed,
        # The image's program has this file capability, and cannot be executed without it.
        "cap_add": ["NET_BIND_SERVICE"],
        **network,
        "volumes": [f"{layout.data}/proxy/Caddyfile:/etc/caddy/Caddyfile:ro", f"{layout.data / PROXY_DATA}:/data"],
        "tmpfs": ["/config:mode=1777"],
    }


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


def _of_our_image(layout: Layout) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "user": ":".join(map(str, container_owner())),
        **CLOSED,
        "volumes": [f"{layout.data}:{layout.data}"],
        "tmpfs": ["/tmp:mode=1777,size=64m"],  # noqa: S108 - within the container
        "init": True,
        "stop_grace_period": "40s",
        "ulimits": {"core": 0, "nofile": 65535},
    }


def _postgres(answers: Answers, layout: Layout, *, published: bool) -> dict[str, Any]:
    """Describe PostgreSQL as Synapse requires it; the image's own program makes role and database at the first start."""
    url = PostgresUrl.parse(str(answers.postgres))
    return {
        "image": POSTGRES,
        "user": ":".join(map(str, container_owner())),
        **CLOSED,
        # Old segments of the write-ahead log, which contain words, are removed instead of recycled; its own log holds none.
        "command": [
            "postgres",
            *(word for name, value in LOG_SETTINGS.items() for word in ("-c", f"{name}={value}")),
            *("-c", "wal_recycle=off"),
        ],
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


def _yaml(document: dict[str, Any]) -> str:
    """Dump the document without YAML's anchors and aliases for repeated values."""
    return yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False)


def _healthcheck(*words: str) -> dict[str, Any]:
    return {"test": ["CMD", *words], "interval": "30s", "timeout": "10s", "retries": 3, "start_period": "10m"}
