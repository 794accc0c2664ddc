"""The reverse proxy in front of a line: a file for Caddy or nginx.

Rules of this module: `/carriers/` goes to the bridge, `/_matrix/` and the well-known file to the homeserver (which, where
it is the agency's own, has a proxy already), and nothing else anywhere: no administration, no readiness, no metrics.
Nothing about a request is logged, since the path of a webhook may hold a secret and an address tells who texts or who works
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from deploy.data_dir.layout import HOST
from deploy.init.compose_files import has_own_network

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.data_dir.layout import Ports
    from deploy.init.answers import Answers

WELL_KNOWN: Final = "/.well-known/matrix/client"
MAX_BODY: Final = "25m"
"""Uploads to the homeserver are up to 20 MiB, webhooks of a phone with pictures up to 16."""


def proxy_files(answers: Answers, ports: Ports) -> Mapping[str, str]:
    """Return the files by name; none without a proxy or without a public URL."""
    if answers.public_url is None or answers.proxy_kind == "none":
        return {}
    joined = answers.homeserver is not None
    if answers.proxy_kind == "caddy":
        return {"proxy/Caddyfile": _caddy(answers.public_url, _upstreams(answers, ports), joined=joined)}
    return {"proxy/nginx.conf": _nginx(answers.public_url, ports, joined=joined)}


def _upstreams(answers: Answers, ports: Ports) -> Mapping[str, str]:
    """Say where Caddy reaches homeserver and bridge: on this machine, or in containers by their names."""
    by_name = has_own_network(answers)
    return {name: f"{name if by_name else HOST}:{ports.of(name)}" for name in ("homeserver", "bridge")}


def _caddy(public_url: str, upstreams: Mapping[str, str], *, joined: bool) -> str:
    homeserver = f"""\
	@homeserver path /_matrix/* {WELL_KNOWN}
	handle @homeserver {{
		reverse_proxy {upstreams["homeserver"]}
	}}
"""
    return f"""\
# Caddy 2: it fetches and renews the certificate itself. Written by `quietline init`; ports are those of `quietline up`.
{{
	# Nobody changes this beside the file: a new one is loaded by a restart.
	admin off
	# Errors of requests are logged with path and address: not here.
	log {{
		level ERROR
		exclude http.log.error http.handlers.reverse_proxy
	}}
}}

{public_url} {{
	request_body {{
		max_size {MAX_BODY}b
	}}
	handle /carriers/* {{
		reverse_proxy {upstreams["bridge"]}
	}}
{"" if joined else homeserver}\
	handle {{
		respond 404
	}}
}}
"""


def _nginx(public_url: str, ports: Ports, *, joined: bool) -> str:
    parts = urlsplit(public_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    certificate = f"""
    ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;"""
    homeserver = f"""
    location = /_matrix {{
        return 404;
    }}
    location /_matrix/ {{
        proxy_pass {ports.url("homeserver")};
    }}
    location = {WELL_KNOWN} {{
        proxy_pass {ports.url("homeserver")};
    }}"""
    return f"""\
# nginx, for a folder such as sites-enabled. Written by `quietline init`; ports are those of `quietline up`.
server {{
    listen {port}{" ssl" if secure else ""};
    listen [::]:{port}{" ssl" if secure else ""};
    server_name {host};{certificate if secure else ""}

    # Neither who asks nor for what is written down.
    access_log off;
    error_log /dev/null crit;

    client_max_body_size {MAX_BODY};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    # What comes in and what is answered passes through memory: nothing of it is put into a file on the way.
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    # A sync waits for up to 30 s, and longer when a client asks for it.
    proxy_read_timeout 180s;

    # Without these nginx answers with the same path and a slash behind it.
    location = /carriers {{
        return 404;
    }}
    location /carriers/ {{
        proxy_pass {ports.url("bridge")};
    }}{"" if joined else homeserver}
    location / {{
        return 404;
    }}
}}
"""
