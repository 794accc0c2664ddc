"""The vault: what opens, for whom, and what no longer does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.runtime.phone_number import Phone
from bridge.storage.key_file import KeyFile
from bridge.storage.vault import CannotOpen, Passing, Vault, passing_owner_of
from tests.fakes.database_file import write

VAULT_KEY = bytes(range(32))
INDEX_KEY = bytes(range(1, 33))
ANY_TEXT = st.text(st.characters(), max_size=20)


def vault_over(keys: KeyFile, *, vault_key: bytes = VAULT_KEY, cached_keys: int = 16) -> Vault:
    return Vault(keys=keys, vault_key=vault_key, index_key=INDEX_KEY, cached_keys=cached_keys)


class RamKeys(KeyFile):
    """Keys without a file, for properties of the vault alone."""

    def __init__(self) -> None:
        super().__init__(path=Path("nowhere"))
        self.rows: dict[str, bytes] = {}
        self.reads = 0

    async def insert(self, owner: str, wrapped: bytes) -> bytes:
        return self.rows.setdefault(owner, wrapped)

    async def read(self, owner: str) -> bytes | None:
        self.reads += 1
        return self.rows.get(owner)

    async def stands(self, owner: str) -> bool:
        return owner in self.rows

    async def delete(self, owner: str) -> None:
        self.rows.pop(owner, None)


@pytest.fixture
def vault(keys: KeyFile) -> Vault:
    return vault_over(keys)


@given(owner=ANY_TEXT, context=ANY_TEXT, data=st.binary(max_size=2000))
def test_what_is_sealed_opens_again(owner: str, context: str, data: bytes) -> None:
    """Any bytes, sealed for any owner and context, come back whole, 29 bytes longer while sealed."""

    async def round_trip() -> None:
        vault = vault_over(RamKeys())
        await vault.create(owner)
        sealed = await vault.seal(owner, context, data)
        assert len(sealed) == len(data) + 29
        assert await vault.open(owner, context, sealed) == data

    asyncio.run(round_trip())


@given(data=st.binary(max_size=60), at=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_one_changed_byte_is_noticed(data: bytes, at: int, flip: int) -> None:
    """Whatever byte is changed, version byte included, nothing opens."""

    async def tamper() -> None:
        vault = vault_over(RamKeys())
        await vault.create("t1")
        sealed = bytearray(await vault.seal("t1", "body", data))
        sealed[at % len(sealed)] ^= flip
        with pytest.raises(CannotOpen):
            await vault.open("t1", "body", bytes(sealed))

    asyncio.run(tamper())


@given(one=st.tuples(ANY_TEXT, ANY_TEXT), other=st.tuples(ANY_TEXT, ANY_TEXT))
@example(one=("ab", "c"), other=("a", "bc"))
def test_owner_and_context_bind(one: tuple[str, str], other: tuple[str, str]) -> None:
    """A blob opens for exactly its owner and context, even when all owners had the same key and names run together."""

    async def cross() -> None:
        vault = vault_over(RamKeys())
        await vault.create(one[0])
        await vault.create(other[0])
        key, cipher = vault._cache[one[0]]
        vault._cache[other[0]] = (key, cipher)
        sealed = await vault.seal(*one, b"words")
        if one == other:
            assert await vault.open(*other, sealed) == b"words"
        else:
            with pytest.raises(CannotOpen):
                await vault.open(*other, sealed)

    asyncio.run(cross())


async def test_without_a_key_nothing_is_sealed(vault: Vault) -> None:
    """An owner who was never given a key is refused, not given one on the way."""
    with pytest.raises(CannotOpen):
        await vault.seal("t1", "body", b"words")
    with pytest.raises(CannotOpen):
        await vault.load("t1")
    assert await vault.owners() == set()


async def test_another_vault_key_opens_nothing(vault: Vault, keys: KeyFile) -> None:
    """With the wrong vault key every door is `CannotOpen`, and the check at the start says so in a sentence."""
    await vault.check_key()
    await vault.create("t1")
    await vault.check_key()
    sealed = await vault.seal("t1", "body", b"words")
    stranger = vault_over(keys, vault_key=bytes(32))
    for attempt in (
        stranger.open("t1", "body", sealed),
        stranger.seal("t1", "body", b"x"),
        stranger.create("t1"),
        stranger.derive_for("t1", "x"),
    ):
        with pytest.raises(CannotOpen):
            await attempt
    with pytest.raises(ValueError, match="another installation"):
        await stranger.check_key()


async def test_a_wrapped_key_belongs_to_its_owner(vault: Vault, keys: KeyFile, path: Path) -> None:
    """A person who can write the file cannot give one thread another thread's key."""
    await vault.create("t1")
    await vault.create("t2")
    write(path, "UPDATE slot SET wrapped = (SELECT wrapped FROM slot WHERE n = 2) WHERE n = 1")
    with pytest.raises(CannotOpen):
        await vault_over(keys).load("t1")


async def test_a_destroyed_key_opens_nothing(vault: Vault) -> None:
    """What was sealed stays sealed, also when the owner is given a new key; destroying again is no error."""
    await vault.create("t1")
    sealed = await vault.seal("t1", "body", b"words")
    await vault.destroy("t1")
    await vault.destroy("t1")
    for _ in range(2):
        with pytest.raises(CannotOpen):
            await vault.open("t1", "body", sealed)
        await vault.create("t1")


async def test_a_key_read_while_it_is_destroyed_is_not_kept() -> None:
    """A read that began before a destruction and ends after it does not bring the key back into memory."""

    class SlowKeys(RamKeys):
        gate = asyncio.Event()

        async def read(self, owner: str) -> bytes | None:
            wrapped = await super().read(owner)
            await self.gate.wait()
            return wrapped

    keys = SlowKeys()
    await vault_over(keys).create("t1")
    vault = vault_over(keys)
    reading = asyncio.create_task(vault.load("t1"))
    await asyncio.sleep(0)
    assert keys.reads == 1
    await vault.destroy("t1")
    keys.gate.set()
    with pytest.raises(CannotOpen):
        await reading
    assert not vault._cache


@given(a=st.tuples(ANY_TEXT, ANY_TEXT), b=st.tuples(ANY_TEXT, ANY_TEXT))
@example(a=("ab", "c"), b=("a", "bc"))
def test_hashes_are_apart(a: tuple[str, str], b: tuple[str, str]) -> None:
    """Phones and texts hash alike only when line (or domain) and value are the same; the two kinds never meet."""
    vault = vault_over(RamKeys())
    assert (vault.phone_hash(a[0], Phone(a[1])) == vault.phone_hash(b[0], Phone(b[1]))) == (a == b)
    assert (vault.keyed_hash(*a) == vault.keyed_hash(*b)) == (a == b)
    assert vault.phone_hash(a[0], Phone(a[1])) != vault.keyed_hash(*b)
    assert len(vault.phone_hash(a[0], Phone(a[1]))) == 32


def test_hashes_hang_on_the_index_key_and_derived_keys_on_the_vault_key() -> None:
    """Another index key gives other hashes and the same derived keys; another vault key the reverse."""
    one = vault_over(RamKeys())
    other_index = Vault(keys=RamKeys(), vault_key=VAULT_KEY, index_key=bytes(32))
    other_vault = vault_over(RamKeys(), vault_key=bytes(32))
    phone = Phone("+15555550100")
    assert one.phone_hash("line", phone) == other_vault.phone_hash("line", phone)
    assert one.phone_hash("line", phone) != other_index.phone_hash("line", phone)
    assert one.keyed_hash("seen", "SM1") != other_index.keyed_hash("seen", "SM1")
    assert one.derive("crypto") == other_index.derive("crypto")
    assert one.derive("crypto") != other_vault.derive("crypto")
    assert one.derive("crypto") != one.derive("puppet")
    assert len(one.derive("crypto")) == 32


async def test_a_pickle_key_dies_with_its_owner(vault: Vault, keys: KeyFile) -> None:
    """A key derived for an owner is the same after a restart, differs by owner and label, and is gone with the owner."""
    await vault.create("room:!a:x")
    await vault.create("room:!b:x")
    pickle_key = await vault.derive_for("room:!a:x", "megolm")
    assert pickle_key == await vault_over(keys).derive_for("room:!a:x", "megolm")
    assert pickle_key != await vault.derive_for("room:!b:x", "megolm")
    assert pickle_key != await vault.derive_for("room:!a:x", "other")
    await vault.destroy("room:!a:x")
    with pytest.raises(CannotOpen):
        await vault.derive_for("room:!a:x", "megolm")


def test_the_format_is_fixed() -> None:
    """Hashes and derived keys are written in databases: these values never change."""
    vault = vault_over(RamKeys())
    assert vault.phone_hash("rehearsal", Phone("+15555550100")).hex()[:16] == "dfc777857c4b3478"
    assert vault.keyed_hash("seen", "SM1").hex()[:16] == "3336305a64fa544e"
    assert vault.derive("crypto").hex()[:16] == "ca1f9c90a92c1824"


async def test_what_is_under_a_passing_key_says_which(vault: Vault) -> None:
    """Each use has a key of its own; what is sealed opens for its own context alone, whoever is named beside it."""
    words, state = [await vault.seal_passing(use, "c", b"data") for use in (Passing.WORDS, Passing.SESSIONS)]
    assert {passing_owner_of(words), passing_owner_of(state)} == await vault.passing_owners()
    assert await vault.owners() == set()
    assert await vault.open_either("", "c", words) == await vault.open_either("anybody", "c", state) == b"data"
    with pytest.raises(CannotOpen):
        await vault.open_either("", "d", words)
    await vault.create("t")
    assert await vault.open_either("t", "c", await vault.seal("t", "c", b"theirs")) == b"theirs"


async def test_a_passing_key_that_is_being_made_is_not_retired(
    vault: Vault, keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the file before anything can be under it: whoever looks just then does not destroy it."""
    insert, owner_sets = keys.insert, list[set[str]]()

    async def slow(owner: str, wrapped: bytes) -> bytes:
        key = await insert(owner, wrapped)
        assert owner in await vault.passing_owners()
        owner_sets.append(await vault.retired_passing_owners())
        return key

    monkeypatch.setattr(keys, "insert", slow)
    await vault.renew_passing(Passing.SESSIONS)
    assert owner_sets == [set()]
