"""Codewords on their way in: found, masked, and turned into digests, before anything is decided or kept.

Rules of this module: no word leaves it but as a digest; a text of a phone with an enrolled word costs the same number of
digests whether it holds one or not, and each of them is compared with both; where none can be computed now, the text
waits, for it is neither lost nor shown unmasked.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.codeword.enrolment import STANDS, asked, is_plain
from bot.language import codeword_forms
from bot.language.codeword_forms import NO_DURESS_WORD, Digests, Flaw, Taken, Word
from bot.model.desk import Desk, Thread
from bot.model.events import Event, Said, TextArrived
from bridge.storage.slow_hash import HASH_BYTES, SALT_BYTES, Slowly, slow_hash
from bridge.storage.vault import Vault
from policies.pack import Pack

STEPS: Final = (16, 64, 256)
"""Digests that a text costs: the first number, or, when it holds more runs of a fitting length, the second, or the last. A
text of 160 letters seldom has more than the first; of a very long one no more are compared than the last, likely ones
before others, and the room is told."""


@dataclass(frozen=True, slots=True)
class Found:
    """An event without its words, and what they were."""

    event: Event
    word: Word = Word.NONE
    partly: bool = False
    """Not all that it held could be compared."""
    taken: Taken | None = None


class Words:
    """Looks at every event before it is decided. Holds the first of two words while its person is asked for the second."""

    def __init__(self, *, vault: Vault, pack: Pack) -> None:
        self._pepper, self._pack = vault.derive("codeword pepper"), pack
        self._slowly = Slowly()
        self._first: dict[str, str] = {}

    async def look(self, aggregate: Thread | Desk, event: Event) -> Found:
        """Return the event as it may be decided. Raises `OSError` when there is no memory to compare it now."""
        match aggregate, event:
            case Thread(), TextArrived() | Said() if aggregate.escort.words is not None:
                return await self._compare(aggregate.escort.words, event)
            case Desk(), Said() if (asking := asked(aggregate, event)) is not None:
                taken = await self._take(event, asking.user, second=asking.second)
                return Found(replace(event, body="", named=()), taken=taken)
        return Found(event)

    async def _compare(self, digests: Digests, event: TextArrived | Said) -> Found:
        body = event.body
        runs = codeword_forms.runs(body, digests.lengths, digests.parts)
        every = list(dict.fromkeys(run.form for run in runs))
        forms = every[: STEPS[-1]]
        held = await self._slowly.do(_which, self._pepper, digests, forms)
        found = {form: word for form, word in zip(forms, held, strict=True) if word is not Word.NONE}
        masked = codeword_forms.masked(body, [run for run in runs if run.form in found])
        # Whoever texts both is not free to say which one was meant.
        word = Word.DURESS if Word.DURESS in found.values() else Word.SAFE if found else Word.NONE
        return Found(event if masked == body else replace(event, body=masked), word, partly=len(every) > len(forms))

    async def _take(self, event: Said, user: str, *, second: bool) -> Taken:
        """Take what was said in an office that is being asked."""
        said = event.body
        if not is_plain(event):
            return Taken(flaw=Flaw.NOT_PLAIN)
        if not second:
            flaw = codeword_forms.flaw(self._pack, said)
            if flaw is None:
                self._keep(user, said)
            return Taken(flaw=flaw)
        if (first := self._first.get(user)) is None:
            return Taken(flaw=Flaw.LOST)
        none = NO_DURESS_WORD.fullmatch(said.strip()) is not None
        flaw = None if none else codeword_forms.flaw(self._pack, said, codeword_forms.plain(first))
        if flaw is not None:
            return Taken(flaw=flaw)
        other = None if none else said
        return Taken(digests=await self._slowly.do(_enrol, self._pepper, first, other))

    def _keep(self, user: str, said: str) -> None:
        """Hold a word until the second comes, and no longer than that is waited for."""
        self._first[user] = said
        asyncio.get_running_loop().call_later(STANDS + 1.0, self._forget, user, said)

    def _forget(self, user: str, said: str) -> None:
        if self._first.get(user) is said:
            del self._first[user]


def digest(pepper: bytes, salt: bytes, form: str) -> bytes:
    """Return a word's digest: the slow hash of its HMAC under the vault's pepper. Raises `HashingError`."""
    return slow_hash(hmac.digest(pepper, form.encode(), hashlib.sha256), salt)


def _enrol(pepper: bytes, safe: str, duress: str | None) -> Digests:
    salt = os.urandom(SALT_BYTES)
    words = (safe, safe if duress is None else duress)
    forms = [codeword_forms.plain(word) for word in words]
    # A word that nobody can text stands for none, so that there are two to compare with all the same.
    texted = forms if duress is not None else [forms[0], os.urandom(HASH_BYTES).hex()]
    made = [digest(pepper, salt, form).hex() for form in texted]
    parts = [len(codeword_forms.tokens(word)) for word in words]
    return Digests(
        salt=salt.hex(),
        safe=made[0],
        duress=made[1],
        lengths=(len(forms[0]), len(forms[1])),
        parts=(parts[0], parts[1]),
    )


def _which(pepper: bytes, digests: Digests, forms: Sequence[str]) -> list[Word]:
    """Say of each form which word it is. The work depends on how many forms there are, and on nothing else."""
    salt, safe, duress = (bytes.fromhex(part) for part in (digests.salt, digests.safe, digests.duress))
    found: list[Word] = []
    for number in range(next(step for step in STEPS if len(forms) <= step)):
        made = digest(pepper, salt, forms[number] if number < len(forms) else "")
        is_safe, is_duress = hmac.compare_digest(made, safe), hmac.compare_digest(made, duress)
        found.append(Word.DURESS if is_duress else Word.SAFE if is_safe else Word.NONE)
    return found[: len(forms)]
