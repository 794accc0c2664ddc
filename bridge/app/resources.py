"""What every part of the bridge needs: files, carrier, outbound HTTP, clock.

Rule of this module: the exit stack closes everything in reverse order; this module knows no part that uses it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Self

import aiohttp

from bot.model.actions import DESK
from bridge.app import line_files
from bridge.carriers.adapter import AdapterContext, Carrier
from bridge.carriers.vendors import registry
from bridge.config.sections import Config
from bridge.lease.lead import Lead
from bridge.lease.process_identity import end_process
from bridge.matrix.schema import MAIN_SCHEMA, PUPPET_SCHEMA
from bridge.runtime import log
from bridge.runtime.crash_points import CrashHook
from bridge.runtime.request_guard import guard
from bridge.runtime.settings import read_secret
from bridge.services import Services
from bridge.storage.database import Database
from bridge.storage.errors import Busy
from bridge.storage.key_file import KeyFile
from bridge.storage.postgres_database import database_of
from bridge.storage.vault import Vault
from bridge.tables.suppression import Suppression
from policies.pack import Pack


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Made once, by `open`, and passed to the modules that put parts together."""

    config: Config
    pack: Pack
    services: Services
    http: aiohttp.ClientSession
    puppet_database: Database
    carrier: Carrier
    suppression: Suppression
    take_over: bool = False
    """A person said that this bridge takes over the line's identities from another one (`bridge/matrix/olm/identity.py`)
    and uses an older `keys.db`."""
    lead: Lead | None = None
    """The lease under which this bridge works; None where its database is a file, which a lock protects."""

    @classmethod
    async def open(
        cls,
        *,
        config: Config,
        pack: Pack,
        crash: CrashHook,
        stack: AsyncExitStack,
        take_over: bool = False,
        lead: Lead | None = None,
    ) -> Self:
        """Open the files of the data directory; a rehearsal's are brought to the current schema. Raises `CannotStart`.

        `lead`: the lease that every commit, key and request checks; None: a lock keeps every other bridge away.
        """
        data = config.data_dir
        server = config.database_url
        if server is None:
            line_files.check_presence(data)
            await asyncio.to_thread(line_files.check_pages, data)
        else:
            await line_files.check_server(data, server)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)))
        if lead is None:
            keys = KeyFile(path=data / line_files.KEYS)
        else:
            guard(http, lead.confirm)
            keys = KeyFile(path=data / line_files.KEYS, epoch=lead.epoch, on_loss=lead.lose)
        with line_files.startup_errors(data / line_files.KEYS, may_wait=lead is not None):
            await _open_keys(keys, lead)
        stack.push_async_callback(keys.close)
        if lead is not None:
            with line_files.startup_errors(data / line_files.MAIN, server=server):
                await lead.note_keys()
        vault = Vault(
            keys=keys,
            vault_key=bytes.fromhex(read_secret(config.keys.vault_key_file)),
            index_key=bytes.fromhex(read_secret(config.keys.index_key_file)),
        )
        await line_files.check_vault(vault, data / line_files.KEYS, config.keys.vault_key_file)
        # A real line's older tables are left to `quietline upgrade`, which makes a backup first.
        main_schema, puppet_schema = (
            replace(each, upgrades=config.line.rehearsal) for each in (MAIN_SCHEMA, PUPPET_SCHEMA)
        )
        fence = None if lead is None else lead.fence
        main, puppet = data / line_files.MAIN, data / line_files.PUPPET
        database = database_of(main, server, schema=main_schema, leads=lead is None, fence=fence)
        puppet_database = database_of(puppet, server, schema=puppet_schema, fence=fence)
        for name, each in ((line_files.MAIN, database), (line_files.PUPPET, puppet_database)):
            stack.push_async_callback(each.close)
            with line_files.startup_errors(data / name, server=server):
                await each.open()
        await line_files.check_desk(database, vault, data)
        await line_files.check_keys(database, config.keys.files)
        await line_files.check_names(database, config)
        await vault.create(DESK)  # what a start tells the desk is sealed before the desk is loaded
        key = bytes.fromhex(read_secret(config.keys.suppression_key_file))
        suppression = Suppression(key=key, line=config.line.slug)
        carrier = registry.make_carrier(
            config.line.carrier,
            AdapterContext(
                public_base_url=config.listen.public_base_url,
                slug=config.line.slug,
                numbers=config.line.all_numbers,
                validity=pack.settings.carrier_validity_seconds,
                clock=time.time,
            ),
            before_bytes=None if lead is None else lead.confirm,
        )
        stack.push_async_callback(carrier.close)
        return cls(
            config=config,
            pack=pack,
            services=Services(
                database=database,
                puppet_database=puppet_database,
                vault=vault,
                clock=await line_files.steady_clock(database),
                crash=crash,
            ),
            http=http,
            puppet_database=puppet_database,
            carrier=carrier,
            suppression=suppression,
            take_over=take_over,
            lead=lead,
        )


async def _open_keys(keys: KeyFile, lead: Lead | None) -> None:
    """Open the file; end a former leader on this machine that was frozen during a change of it."""
    try:
        await keys.open()
    except Busy:
        if lead is None or not await asyncio.to_thread(end_process, lead.former):
            raise
        log.event("lease.former_leader_ended")
        await keys.open()
