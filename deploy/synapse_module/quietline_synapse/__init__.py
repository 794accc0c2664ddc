"""Quietline's module for Synapse: it erases the policy bot's own rooms, and refuses what they must never hold.

Rules of this module: only the bearer of a line's token can use it, and only on the rooms that this line's policy bot
created, their uploads, the members of its desk, and the homeserver's accounts when a setting says that the homeserver is
this line's own. What it cannot identify it refuses. One line has no power over another's. It does not start with a Synapse
that lacks a part which it needs. It imports only its own modules, so that an agency's own Synapse can load it: README.md
beside this file says how, and what to do where that is impossible.

Sources: Synapse's module documentation (writing_a_module, third_party_rules_callbacks, media_repository_callbacks) and its
source, 1.163.2; measured facts: facts-matrix.md.
"""

from __future__ import annotations

from typing import Any, Final

from synapse.module_api import ModuleApi

from quietline_synapse.accounts import Accounts
from quietline_synapse.changes import LineChanges
from quietline_synapse.media import LineMedia, MediaResource
from quietline_synapse.redaction_censor import RedactionCensor
from quietline_synapse.resource import LineParts, ModuleResource
from quietline_synapse.rooms import AllRooms, PolicyRooms
from quietline_synapse.rules import RoomRules
from quietline_synapse.schema import Schema
from quietline_synapse.settings import ModuleSettings
from quietline_synapse.synapse_internals import (
    SynapseInternals,
    UploadStore,
    check_events,
    discard_key_backups,
    engine_of,
    keeps_uploads,
)
from quietline_synapse.synapse_notifier import SynapseNotifier
from quietline_synapse.vacuum import Vacuum

PATH: Final = "/_synapse/client/quietline"


class Quietline:
    """The module class for `modules:` in `homeserver.yaml`: `quietline_synapse.Quietline`."""

    @staticmethod
    def parse_config(config: dict[str, Any]) -> ModuleSettings:
        """Read the module's part of the configuration; with a ConfigError Synapse stops and prints its text."""
        return ModuleSettings.read(config)

    def __init__(self, config: ModuleSettings, api: ModuleApi) -> None:
        config.check(api.server_name)
        schema = Schema(api=api, engine=engine_of(api))
        rooms = AllRooms(api=api, settings=config, schema=schema)
        rules = RoomRules(rooms=rooms, settings=config)
        api.register_media_repository_callbacks(
            is_user_allowed_to_upload_media_of_size=rules.may_upload, get_media_config_for_user=rules.media_config
        )
        check_events(api, rules)
        discard_key_backups(api, rooms)
        # The rules apply in every process of a Synapse with workers. The main process has the web resource, except the part
        # about uploads: the process that keeps them has that.
        own = {line.policy: PolicyRooms(api=api, line=line, schema=schema) for line in config.lines}
        media: dict[str, LineMedia] = {}
        if keeps_uploads(api):
            store = UploadStore(api)
            media = {
                line.policy: LineMedia(api=api, store=store, rooms=own[line.policy], line=line) for line in config.lines
            }
        if api.worker_app is not None:
            if media:
                api.register_web_resource(f"{PATH}/media", MediaResource(settings=config, media=media))
            return
        internals = SynapseInternals(api)
        vacuum = Vacuum(internals=internals, full_bytes=config.full_vacuum_bytes)
        lines = []
        for line in config.lines:
            accounts = Accounts(internals=internals, settings=config, line=line, server_name=api.server_name)
            rooms_of = own[line.policy]
            lines.append(LineParts(settings=line, rooms=rooms_of, media=media.get(line.policy), accounts=accounts))
        censor = RedactionCensor(api=api, internals=internals)
        resource = ModuleResource(
            settings=config,
            lines=lines,
            censor=censor,
            vacuum=vacuum,
            internals=internals,
            changes=LineChanges(api=api, settings=config, rooms=rooms, notifier=SynapseNotifier(api)),
        )
        api.register_web_resource(PATH, resource)
        # From the start, for deletions between purges; each purge sets it again, because the connection may be new.
        api.run_as_background_process("quietline_overwrite", vacuum.enable_secure_delete)
