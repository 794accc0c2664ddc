"""The reverse proxy in front of a line: a file for Caddy or nginx, for one bridge, or for a leader and a standby.

Rules of this module: `/carriers/` goes to the bridge, `/_matrix/` and the well-known file to the homeserver (an agency's
own homeserver has a proxy already), and every other path is refused: no administration, no readiness, no metrics. No
request is logged, because the path of a webhook may contain a secret and an IP address shows who texts or who works here.
Whoever sends half a request loses the connection within 15 seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from deploy.data_dir.layout import HOST
from deploy.init.compose_files import has_own_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy.data_dir.layout import Ports
    from deploy.init.answers import Answers

WELL_KNOWN: Final = "/.well-known/matrix/client"
MAX_BODY: Final = "25m"
"""Uploads to the homeserver have up to 20 MiB, webhooks with a phone's pictures up to 16 MiB."""


CADDY_OF_ONE: Final = """ {
			# The bridge closes what is idle for 30 s: a request must not be on its way there.
			transport http {
				keepalive 20s
			}
		}"""
CADDY_OF_TWO: Final = """ {
			# Leader and standby (deploy/docs/standby.md): the one that takes webhooks.
			lb_policy first
			# A webhook is held while neither takes it, and not refused.
			lb_try_duration 15s
			# Caddy 2.6 holds a POST only where this says so: while no bridge has got it, and it is given to one alone.
			lb_retry_match {
				expression {http.reverse_proxy.upstream.address} == null
			}
			health_uri /accepting
			health_interval 1s
			health_timeout 1s
			# One that lets go closes what is idle: a request must not be on its way there.
			transport http {
				keepalive off
			}
		}"""
NGINX_OF_TWO: Final = """
        # One that says 503 is passed over for the other; where both do, the carrier gets it, and comes again.
        proxy_next_upstream error timeout http_503 non_idempotent;
        proxy_next_upstream_tries 2;
        proxy_connect_timeout 2s;
        proxy_read_timeout 30s;
        # What one refused goes to the other from memory: it is kept there whole, and in no file.
        proxy_request_buffering on;
        client_body_buffer_size 25m;"""


def proxy_files(answers: Answers, ports: Ports) -> Mapping[str, str]:
    """Return the files by name; none without a proxy or without a public URL."""
    if answers.public_url is None or answers.proxy_kind == "none":
        return {}
    by_name = has_own_network(answers)
    homeserver, bridge = (f"{name if by_name else HOST}:{ports.of(name)}" for name in ("homeserver", "bridge"))
    bridges = (bridge,) if answers.standby is None else answers.standby.at(ports.bridge)
    clients = homeserver if answers.homeserver is None else None
    if answers.proxy_kind == "caddy":
        return {"proxy/Caddyfile": _caddy(answers.public_url, bridges, clients)}
    return {"proxy/nginx.conf": _nginx(answers.public_url, bridges, clients, named=f"quietline_{answers.line.slug}")}


def _caddy(public_url: str, bridges: Sequence[str], homeserver: str | None) -> str:
    """Return the file. `homeserver`: None when clients reach it by another way."""
    clients = f"""\
	@homeserver path /_matrix/* {WELL_KNOWN}
	handle @homeserver {{
		reverse_proxy {homeserver}
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
	# Who sends half a request does not keep a connection.
	servers {{
		timeouts {{
			read_header 10s
			read_body 15s
			idle 30s
		}}
	}}
}}

{public_url} {{
	request_body {{
		max_size {MAX_BODY}b
	}}
	handle /carriers/* {{
		reverse_proxy {" ".join(bridges)}{CADDY_OF_TWO if len(bridges) > 1 else CADDY_OF_ONE}
	}}
{"" if homeserver is None else clients}\
	handle {{
		respond 404
	}}
}}
"""


def _nginx(public_url: str, bridges: Sequence[str], homeserver: str | None, *, named: str) -> str:
    """Return the file. `homeserver`: None when clients reach it by another way. `named`: a name of the line's own."""
    parts = urlsplit(public_url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    certificate = f"""
    ssl_certificate /etc/letsencrypt/live/{host}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{host}/privkey.pem;
    ssl_protocols TLSv1.2 TLSv1.3;"""
    address = f"${named.replace('-', '_')}_address"
    two = len(bridges) > 1
    servers = "".join(f"    server {bridge} max_fails=0;\n" for bridge in bridges)
    group = f"""\
# Two bridges of one line, which are leader and standby (deploy/docs/standby.md).
upstream {named} {{
{servers}}}
"""
    clients = f"""
    location = /_matrix {{
        return 404;
    }}
    location /_matrix/ {{
        proxy_pass http://{homeserver};
    }}
    location = {WELL_KNOWN} {{
        proxy_pass http://{homeserver};
    }}"""
    return f"""\
# nginx, for a folder such as sites-enabled. Written by `quietline init`; ports are those of `quietline up`.
# Strangers can take every connection of nginx's default configuration. In /etc/nginx/nginx.conf set
#   worker_rlimit_nofile 65535;    and, in its events block,    worker_connections 16384;

# One address may have so many requests at a time. Another proxy on this machine speaks for many.
map $remote_addr {address} {{
    ~^127\\. "";
    "::1" "";
    default $binary_remote_addr;
}}
limit_conn_zone {address} zone={named}:1m;
{group if two else ""}\
server {{
    listen {port}{" ssl" if secure else ""};
    listen [::]:{port}{" ssl" if secure else ""};
    server_name {host};{certificate if secure else ""}

    # Neither who asks nor for what is written down.
    access_log off;
    error_log /dev/null crit;

    client_header_timeout 10s;
    client_body_timeout 12s;
    send_timeout 30s;
    keepalive_timeout 30s;
    reset_timedout_connection on;
    limit_conn {named} 200;

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
        proxy_pass http://{named if two else bridges[0]};{NGINX_OF_TWO if two else ""}
    }}{"" if homeserver is None else clients}
    location / {{
        return 404;
    }}
}}
"""
