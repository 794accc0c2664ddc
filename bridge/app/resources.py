"""What every part of the bridge stands on: the files, the carrier, the way out, the clock.

Rule of this module: whatever is opened is closed by the stack, last first, and nothing here knows a part that works.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

import aiohttp

from bridge.carriers import registry
from bridge.carriers.adapter import Carrier
from bridge.config import Config
from bridge.matrix.schema import MAIN_UPGRADES, VOICE_UPGRADES
from bridge.runtime.clock import Clock, SteadyClock
from bridge.runtime.crash_points import Crash
from bridge.runtime.settings import secret
from bridge.storage.database import Store
from bridge.storage.key_file import Keys
from bridge.storage.vault import Vault
from bridge.tables import schema
from bridge.tables.suppression import Suppression
from policies.pack import Pack


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Made once, by `open`, and handed to whatever puts parts together."""

    config: Config
    pack: Pack
    crash: Crash
    http: aiohttp.ClientSession
    vault: Vault
    store: Store
    voice_store: Store
    carrier: Carrier
    suppression: Suppression
    clock: Clock

    @classmethod
    async def open(cls, *, config: Config, pack: Pack, crash: Crash, stack: AsyncExitStack) -> Self:
        """Open the files of the data directory, and bring them to today's schema."""
        data = config.data_dir
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)))
        keys = Keys(path=data / "keys.db")
        await keys.open()
        stack.push_async_callback(keys.close)
        vault = Vault(
            keys=keys,
            vault_key=bytes.fromhex(secret(config.keys.vault_key_file)),
            index_key=bytes.fromhex(secret(config.keys.index_key_file)),
        )
        await vault.check()
        store = Store(data / "main.db", upgrades=(schema.upgrades, *MAIN_UPGRADES))
        voice_store = Store(data / "voice.db", upgrades=VOICE_UPGRADES)
        for each in (store, voice_store):
            stack.push_async_callback(each.close)
            await each.open()
        carrier = registry.make(
            config.line.carrier,
            public_base_url=config.listen.public_base_url,
            slug=config.line.slug,
            numbers=config.line.all_numbers,
            validity=pack.settings.carrier_validity_seconds,
            clock=time.time,
        )
        stack.push_async_callback(carrier.close)
        return cls(
            config=config,
            pack=pack,
            crash=crash,
            http=http,
            vault=vault,
            store=store,
            voice_store=voice_store,
            carrier=carrier,
            suppression=Suppression(key=bytes.fromhex(secret(config.keys.suppression_key_file)), line=config.line.slug),
            clock=SteadyClock(),
        )
