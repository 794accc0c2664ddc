"""The files of a Synapse with workers: settings, routes for nginx and Caddy, Redis, and the unit that starts each worker.

Rules of this module: everything follows from the table of `worker_routes`. The router listens on loopback, at the address
that the bridge has for Synapse, and replaces the main process for all its clients. Replication goes directly between the
processes, not through the router, with its own secret. Redis stores nothing on disk.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from deploy.data_dir.layout import HOST
from deploy.init.worker_routes import MAX_WORKERS, ROUTES, Duty, Worker, workers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WORKER: Final = "synapse.app.generic_worker"
SHARED: Final = "workers/quietline-workers.yaml"
REPLICATION_SECRET: Final = "workers/replication_secret"  # noqa: S105 - a file's name
LOG: Final = "workers/log.yaml"
UNIT: Final = "workers/matrix-synapse-worker@.service"
REDIS: Final = "workers/redis.conf"
TIMEOUT_SECONDS: Final = 180
MAX_BODY: Final = "50m"
"""Synapse's default limit; it refuses larger uploads itself."""
PROTECTED: Final = """\
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""
"""In every unit of a line: denies what none needs, kernel, clock, other processes, other address families (systemd.exec(5),
"Sandboxing")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPorts:
    """Ports on loopback. Worker n, from 0, has `first + n` for clients and `first_replication + n` for replication."""

    router: int
    main: int = 8008
    main_replication: int = 9093
    first: int = 8081
    first_replication: int = 9101
    redis: int = 6379

    @property
    def used_ports(self) -> set[int]:
        """Ports that the router cannot have."""
        most = range(len(workers_of(MAX_WORKERS, media=True)))
        replicate = {self.main_replication, *(self.first_replication + n for n in most)}
        return {self.main, self.redis, *replicate, *(self.first + n for n in most)}


def worker_files(count: int, ports: WorkerPorts, folder: Path, *, media: bool = False) -> Mapping[str, str]:
    """Return the files by name. `folder`: their folder on the homeserver's machine, beside `homeserver.yaml`.

    `media`: one more worker keeps the uploads.
    """
    workers = workers_of(count, media=media)
    return {
        SHARED: _SHARED + yaml.safe_dump(shared_settings(workers, ports, folder), sort_keys=False),
        REPLICATION_SECRET: secrets.token_urlsafe(48) + "\n",
        LOG: _LOG,
        REDIS: _REDIS.format(port=ports.redis),
        UNIT: _UNIT.format(folder=folder, module=WORKER, protected=PROTECTED),
        **{f"workers/{worker.name}.yaml": worker_settings(worker, n, ports, folder) for n, worker in enumerate(workers)},
        "workers.nginx": nginx_router(workers, ports),
        "workers.caddy": caddy_router(workers, ports),
    }


def shared_settings(workers: Sequence[Worker], ports: WorkerPorts, folder: Path) -> dict[str, Any]:
    """Return the settings of all processes: addresses, stream writers, and who does which background work."""
    background = next(worker.name for worker in workers if Duty.BACKGROUND in worker.duties)
    keeper = next((worker.name for worker in workers if Duty.MEDIA in worker.duties), None)
    media = {} if keeper is None else {"enable_media_repo": False, "media_instance_running_background_jobs": keeper}
    return {
        "listeners": [
            _listener(ports.main, ["client"], x_forwarded=True),
            _listener(ports.main_replication, ["replication"]),
        ],
        "worker_replication_secret_path": str(folder / REPLICATION_SECRET),
        "redis": {"enabled": True, "host": HOST, "port": ports.redis},
        "instance_map": {
            "main": {"host": HOST, "port": ports.main_replication},
            **{w.name: {"host": HOST, "port": ports.first_replication + n} for n, w in enumerate(workers)},
        },
        "stream_writers": {stream: worker.name for worker in workers for stream in worker.streams},
        "run_background_tasks_on": background,
        "notify_appservices_from_worker": background,
        "update_user_directory_from_worker": background,
        "pusher_instances": [background],
        **media,
    }


def worker_settings(worker: Worker, number: int, ports: WorkerPorts, folder: Path) -> str:
    """Return one worker's own file: its name, listeners and log, and whether it keeps the uploads."""
    keeps = Duty.MEDIA in worker.duties
    settings = {
        "worker_app": WORKER,
        "worker_name": worker.name,
        "worker_listeners": [
            _listener(ports.first + number, ["media"] if keeps else ["client"], x_forwarded=True),
            _listener(ports.first_replication + number, ["replication"]),
        ],
        "worker_log_config": str(folder / LOG),
        **({"enable_media_repo": True} if keeps else {}),
    }
    return f"# {', '.join(duty.value for duty in worker.duties)}\n" + yaml.safe_dump(settings, sort_keys=False)


def nginx_router(workers: Sequence[Worker], ports: WorkerPorts) -> str:
    """Return the router as a file for a folder such as sites-enabled."""
    to = _ports_by_duty(workers, ports)
    upstreams = "\n".join(
        f"upstream {_upstream(duty)} {{\n"
        + ("    # A device comes back to the process that knows what it was told last.\n" if len(reached) > 1 else "")
        + ("    hash $http_authorization consistent;\n" if len(reached) > 1 else "")
        + "".join(f"    server {HOST}:{port};\n" for port in reached)
        + "    keepalive 32;\n}"
        for duty, reached in to.items()
    )
    locations = "\n".join(
        f'    location ~ "{route.pattern}" {{ proxy_pass http://{_upstream(route.duty)}; }}'
        for route in ROUTES
        if route.duty in to
    )
    return f"""\
# nginx before the processes of a Synapse with workers, for a folder such as sites-enabled. Whoever asked the main process
# before asks this: the bridge, and the proxy where people come in. That one must not let /_synapse/ in from outside.
upstream synapse_main {{
    server {HOST}:{ports.main};
    keepalive 32;
}}
{upstreams}

server {{
    listen {HOST}:{ports.router};
    server_name _;

    # Neither who asks nor for what is written down.
    access_log off;
    error_log /dev/null crit;

    client_max_body_size {MAX_BODY};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_read_timeout {TIMEOUT_SECONDS}s;

{locations}
    # All else, our module (/_synapse/client/quietline) among it, and uploads where no worker keeps them.
    location / {{ proxy_pass http://synapse_main; }}
}}
"""


def caddy_router(workers: Sequence[Worker], ports: WorkerPorts) -> str:
    """Return the router as a Caddyfile, or a part of one."""
    to = _ports_by_duty(workers, ports)
    handles = ""
    for number, route in enumerate(route for route in ROUTES if route.duty in to):
        reached = " ".join(f"{HOST}:{port}" for port in to[route.duty])
        several = "\t\t\tlb_policy header Authorization\n" if len(to[route.duty]) > 1 else ""
        handles += f"""\
	@r{number} path_regexp r{number} `{route.pattern}`
	handle @r{number} {{
		reverse_proxy {reached} {{
{several}			trusted_proxies {HOST}/8
		}}
	}}
"""
    return f"""\
# Caddy before the processes of a Synapse with workers. Whoever asked the main process before asks this: the bridge, and the
# proxy where people come in. That one must not let /_synapse/ in from outside.
{{
	admin off
	# Errors of requests are logged with path and address: not here.
	log {{
		level ERROR
		exclude http.log.error http.handlers.reverse_proxy
	}}
}}

http://{HOST}:{ports.router} {{
	bind {HOST}
{handles}\
	# All else, our module (/_synapse/client/quietline) among it, and uploads where no worker keeps them.
	handle {{
		reverse_proxy {HOST}:{ports.main} {{
			trusted_proxies {HOST}/8
		}}
	}}
}}
"""


def _ports_by_duty(workers: Sequence[Worker], ports: WorkerPorts) -> dict[Duty, list[int]]:
    by_duty: dict[Duty, list[int]] = {}
    for n, worker in enumerate(workers):
        for duty in worker.duties:
            if duty is not Duty.BACKGROUND:
                by_duty.setdefault(duty, []).append(ports.first + n)
    return by_duty


def _upstream(duty: Duty) -> str:
    return f"synapse_{duty.value}"


def _listener(port: int, names: list[str], *, x_forwarded: bool = False) -> dict[str, Any]:
    return {
        "type": "http",
        "port": port,
        "bind_addresses": [HOST],
        "tls": False,
        "x_forwarded": x_forwarded,
        "resources": [{"names": names, "compress": False}],
    }


_SHARED: Final = """\
# For Synapse's folder conf.d: every process reads it. They need PostgreSQL, Redis, and in Synapse's Python
# `pip install "matrix-synapse[redis]"`. Uploads stay with the main process, which deletes them, or with a worker that does.
# `listeners` takes the place of those in homeserver.yaml: the main process on the port that it has by default, and where
# the others reach it. A homeserver that other homeservers speak to: write `federation` behind `client`.
"""

_LOG: Final = """\
# Warnings and worse go to the journal; the log must not be more talkative, for it names people and rooms.
version: 1
disable_existing_loggers: false
formatters:
  plain: {format: "%(levelname)s %(name)s"}
handlers:
  stderr: {class: logging.StreamHandler, stream: ext://sys.__stderr__, formatter: plain}
loggers:
  synapse.access: {level: ERROR}
  synapse.storage.SQL: {level: ERROR}
root: {level: WARNING, handlers: [stderr]}
"""

_REDIS: Final = """\
# Lines for redis.conf: what the processes tell each other passes through it, ids of rooms, people and events among it.
bind 127.0.0.1
port {port}
protected-mode yes
# Nothing of it is put on a disk.
save ""
appendonly no
"""

_UNIT: Final = """\
# One worker: `systemctl enable --now matrix-synapse-worker@NAME` for each NAME.yaml beside homeserver.yaml in workers/.
# Made for the package of matrix.org; ExecStart names its Python. A change of who writes what: stop all, then start all.
[Unit]
Description=Worker %i of Synapse
After=matrix-synapse.service redis-server.service postgresql.service
Requires=matrix-synapse.service
PartOf=matrix-synapse.service

[Service]
Type=notify
NotifyAccess=main
User=matrix-synapse
WorkingDirectory=/var/lib/matrix-synapse
ExecStart=/opt/venvs/matrix-synapse/bin/python -m {module} \\
    --config-path={folder}/homeserver.yaml --config-path={folder}/conf.d/ \\
    --config-path={folder}/workers/%i.yaml
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=3
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=/var/lib/matrix-synapse
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
{protected}SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
LimitCORE=0
LimitNOFILE=65535

[Install]
WantedBy=matrix-synapse.service
"""
