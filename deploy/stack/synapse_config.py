"""The embedded homeserver: Synapse, hardened for one agency without federation.

Rule of this module: every feature that could reveal, store or offer more than encrypted rooms for the agency's own staff is
off; a setting whose name does not explain it has a comment. The files are rewritten at every start.
Settings: Synapse's configuration manual and its source, 1.163.2; measured facts: facts-matrix.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from deploy.data_dir.atomic_files import make_private_directory, write_atomically
from deploy.data_dir.layout import HOST
from deploy.stack.homeserver_database import APPLICATION_NAME
from deploy.stack.synapse_overlay import read_overlay, with_overlay

if TYPE_CHECKING:
    from bridge.config.sections import Config, OtherLine
    from bridge.runtime.postgres_url import PostgresUrl
    from deploy.data_dir.layout import Layout, Ports
    from deploy.data_dir.secret_files import Secrets

SERVER_NAME: Final = "quietline.localhost"
"""The server name of a rehearsal, and of a real line whose configuration keeps it."""
MODULE: Final = "synapse.app.homeserver"
FULL_VACUUM_BYTES: Final = 128 * 1024 * 1024

_HEADER: Final = """\
# Written by `quietline up` at every start: changes made here are lost. Settings of your own: homeserver.d/*.yaml.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The homeserver's name, which never changes, and its URL for clients (None: on this machine only).

    `identities`: localparts of policy bot and texter puppet of the line that runs it. `other_lines`: lines that share it.
    """

    identities: tuple[str, str]
    server_name: str = SERVER_NAME
    public_url: str | None = None
    other_lines: tuple[OtherLine, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Self:
        """Make it from the bridge's configuration."""
        homeserver = config.homeserver
        return cls(
            identities=(homeserver.policy_localpart, f"line-{config.line.slug}"),
            server_name=homeserver.server_name,
            public_url=homeserver.public_url,
            other_lines=tuple(homeserver.other_lines),
        )

    def client_url(self, ports: Ports) -> str:
        """Return the URL for clients (`/.well-known/matrix/client`), without a slash at the end."""
        return self.public_url or ports.url("homeserver")


def settings(
    layout: Layout, ports: Ports, secrets: Secrets, site: Site, postgres: PostgresUrl | None = None, *, listen: str = HOST
) -> dict[str, Any]:
    """Return Synapse's configuration (`homeserver.yaml`) as a mapping."""
    return {
        **_location(layout, ports, secrets, site, listen),
        "database": _database(layout, postgres),
        **_closed_access(),
        **_retention(),
        **_rate_limits(),
    }


def registration(
    secrets: Secrets, server_name: str, identities: tuple[str, str], *, name: str = "quietline"
) -> dict[str, Any]:
    """Return the application service registration: the policy bot and the texter puppet, and no identity of another line.

    `name`: the application service's id, one for each line of a homeserver.
    `url: null`: Synapse pushes nothing to us; we use `/sync` (facts-matrix.md, "Application service and mautrix").
    `sender_localpart` is a third user without a purpose, because Synapse cannot answer `/sync` for an application
    service's own sender.
    """
    return {
        "id": name,
        "url": None,
        "as_token": secrets.read(secrets.as_token),
        "hs_token": secrets.read(secrets.hs_token),
        "sender_localpart": name,
        "rate_limited": False,
        "io.element.msc4190": True,
        "namespaces": {
            "users": [{"exclusive": True, "regex": re.escape(f"@{localpart}:{server_name}")} for localpart in identities],
            "aliases": [],
            "rooms": [],
        },
    }


def logging_settings() -> dict[str, Any]:
    """Python logging for Synapse: warnings and worse, without content, to standard error; the supervisor rotates it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"quiet": {"()": "deploy.stack.synapse_log.ContentFreeFormatter"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.__stderr__", "formatter": "quiet"},
        },
        # Request lines contain user ids, room ids and, in SQL, everything.
        "loggers": {
            "synapse.access": {"level": "ERROR"},
            "synapse.storage.SQL": {"level": "ERROR"},
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
    }


def write(
    layout: Layout, ports: Ports, secrets: Secrets, site: Site, postgres: PostgresUrl | None = None, *, listen: str = HOST
) -> None:
    """Write `homeserver.yaml`, `registration.yaml` and `log.yaml`, each whole and of mode 0600. Raises `SetupError`.

    `postgres`: the database; None: SQLite. `listen`: the address on which it listens.
    """
    make_private_directory(layout.homeserver)
    make_private_directory(layout.homeserver / "media")
    write_atomically(
        layout.homeserver / "registration.yaml",
        _HEADER + yaml.safe_dump(registration(secrets, site.server_name, site.identities), sort_keys=False),
    )
    write_atomically(layout.homeserver / "log.yaml", _HEADER + yaml.safe_dump(logging_settings(), sort_keys=False))
    document = with_overlay(settings(layout, ports, secrets, site, postgres, listen=listen), read_overlay(layout))
    write_atomically(layout.homeserver_config, _HEADER + yaml.safe_dump(document, sort_keys=False))


def command(layout: Layout, *, first: bool = False) -> tuple[str, ...]:
    """Return module and arguments, for :class:`deploy.stack.supervisor.Child`. `first`: accounts can be made."""
    configs = [layout.homeserver_config, *([layout.first_start] if first else [])]
    return (MODULE, *(argument for config in configs for argument in ("--config-path", str(config))))


def _location(layout: Layout, ports: Ports, secrets: Secrets, site: Site, listen: str) -> dict[str, Any]:
    return {
        "server_name": site.server_name,
        "public_baseurl": f"{site.client_url(ports)}/",
        "listeners": [
            {
                "type": "http",
                "port": ports.homeserver,
                "bind_addresses": [listen],
                "tls": False,
                # Only a proxy reaches the port (on this machine or in the containers' network) and adds the client's IP.
                "x_forwarded": site.public_url is not None,
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "media_store_path": str(layout.homeserver / "media"),
        "max_upload_size": "20M",
        "log_config": str(layout.homeserver / "log.yaml"),
        "pid_file": str(layout.homeserver / "unused.pid"),
        "signing_key_path": str(secrets.signing_key),
        "macaroon_secret_key_path": str(secrets.macaroon),
        "form_secret_path": str(secrets.form),
        "app_service_config_files": [
            str(layout.homeserver / "registration.yaml"),
            *(str(line.registration) for line in site.other_lines),
        ],
        # For purges, uploads, sign-out and the rules of line rooms; it reads the token from the registration.
        "modules": [
            {
                "module": "quietline_synapse.Quietline",
                "config": {
                    "registration": str(layout.homeserver / "registration.yaml"),
                    "policy": f"@{site.identities[0]}:{site.server_name}",
                    **_other_lines(site),
                    # This line runs the homeserver: `quietline staff` makes and deactivates accounts through the module.
                    "accounts": True,
                    # For PostgreSQL: rewriting tables up to this size blocks no other agency's rooms.
                    "full_vacuum_bytes": FULL_VACUUM_BYTES,
                },
            }
        ],
        "default_room_version": "12",
        # Returns the valid membership after two concurrent changes; without it a sync may return an outdated one.
        "experimental_features": {"msc4222_enabled": True},
    }


def _other_lines(site: Site) -> dict[str, Any]:
    lines = [{"registration": str(line.registration), "policy": line.policy} for line in site.other_lines]
    return {"lines": lines} if lines else {}


def _database(layout: Layout, postgres: PostgresUrl | None) -> dict[str, Any]:
    if postgres is None:
        return {"name": "sqlite3", "args": {"database": str(layout.homeserver / "homeserver.db")}}
    # The name identifies a second homeserver on the same database; one connection is enough (homeserver_database.py).
    args = {**postgres.for_libpq(), "application_name": APPLICATION_NAME, "connect_timeout": 10, "cp_min": 1, "cp_max": 10}
    return {"name": "psycopg2", "args": args}


def _closed_access() -> dict[str, Any]:
    """Return settings that close the homeserver to the outside, in both directions."""
    return {
        "federation_domain_whitelist": [],
        # Otherwise it computes for each event which other servers should get it.
        "send_federation": False,
        "allow_profile_lookup_over_federation": False,
        "allow_device_name_lookup_over_federation": False,
        "serve_server_wellknown": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "enable_registration": False,
        "allow_guest_access": False,
        "enable_3pid_lookup": False,
        "enable_3pid_changes": False,
        "report_stats": False,
        "enable_metrics": False,
        "stats": {"enabled": False},
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "require_auth_for_profile_requests": True,
        "limit_profile_requests_to_users_who_share_rooms": True,
        "user_directory": {"enabled": True, "search_all_users": False},
        "allow_public_rooms_without_auth": False,
        "allow_public_rooms_over_federation": False,
        "enable_room_list_search": False,
        # A published room or an alias would be a name outside the room.
        "room_list_publication_rules": [{"action": "deny"}],
        "alias_creation_rules": [{"action": "deny"}],
        "encryption_enabled_by_default_for_room_type": "all",
        # No words: a push passes through Apple's or Google's servers. An app may ask for ids alone.
        "push": {"enabled": True, "include_content": False},
        "enable_authenticated_media": True,
    }


def _retention() -> dict[str, Any]:
    """Return settings by which nothing is kept longer than necessary."""
    return {
        # Never `null`: that means "keep for ever". Synapse checks every five minutes, whatever the value.
        "redaction_retention_period": "1s",
        # A room that every local member has left *and forgotten*. Zero would mean "never". Leaving alone does not
        # forget (`forget_rooms_on_leave` stays off): a client that was offline must still hear the redactions.
        "forgotten_room_retention_period": "1m",
        "forget_rooms_on_leave": False,
        "user_ips_max_age": "1d",
        # The index would contain room names and topics.
        "enable_search": False,
    }


def _rate_limits() -> dict[str, Any]:
    """Return limits that stop a faulty client, not a person who types quickly or signs in on several clients."""
    return {
        "rc_message": _generous_limit(),
        "rc_login": {
            "address": _generous_limit(),
            "account": _generous_limit(),
            # The one strict limit: against guessing passwords.
            "failed_attempts": {"per_second": 0.2, "burst_count": 10},
        },
        "rc_joins": {"local": _generous_limit(), "remote": {"per_second": 0.01, "burst_count": 1}},
        "rc_joins_per_room": _generous_limit(),
        "rc_invites": {"per_room": _generous_limit(), "per_user": _generous_limit(), "per_issuer": _generous_limit()},
        "rc_third_party_invite": _generous_limit(),
        "rc_room_creation": {"per_second": 10, "burst_count": 100},
        "rc_key_requests": _generous_limit(),
        "rc_media_create": _generous_limit(),
        "rc_user_directory": _generous_limit(),
        "rc_profile": _generous_limit(),
        "rc_registration": {"per_second": 0.1, "burst_count": 3},
    }


def _generous_limit() -> dict[str, int]:
    """Return a limit that no person's client reaches: all users are staff, and only they reach the port."""
    return {"per_second": 100, "burst_count": 1000}
