"""Finds codewords in a text, masks them and turns them into digests, before anything is decided or kept.

Rules of this module: a word leaves it only as a digest. For a text of a phone with an enrolled word the same number of
digests is computed whether it holds a word or not, and each digest is compared with both words. When no digest can be
computed now, the text waits: it is neither lost nor shown unmasked.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.codeword.enrolment import ANSWER_WITHIN, is_plain, pending_answer
from bot.commands.parser import parse
from bot.language import codeword_forms
from bot.language.codeword_forms import NO_DURESS_WORD
from bot.model.codeword_state import CodewordMatch, Digests, EnrolmentAnswer, Flaw
from bot.model.desk import Desk, Thread
from bot.model.events import Event, MessageSent, TextArrived
from bridge.storage.slow_hash import HASH_BYTES, SALT_BYTES, SlowHashPool, slow_hash
from bridge.storage.vault import Vault
from policies.pack import Pack

DIGEST_COUNTS: Final = (16, 64, 256)
"""Digests that are computed for a text: the first number or, when the text has more runs of a fitting length, the second,
or the last. A text of 160 letters seldom has more than the first; for a very long one the last is the limit, the likely
runs come first, and the room is told."""


@dataclass(frozen=True, slots=True)
class MatchedEvent:
    """An event without its codewords, and which words matched."""

    event: Event
    word: CodewordMatch = CodewordMatch.NONE
    partly: bool = False
    """Some runs of the text were not compared."""
    enrolment_answer: EnrolmentAnswer | None = None


class CodewordMatcher:
    """Checks every event before the decision. Keeps the first of two words until its person gives the second."""

    def __init__(self, *, vault: Vault, pack: Pack) -> None:
        self._pepper, self._pack = vault.derive("codeword pepper"), pack
        self._hash_pool = SlowHashPool()
        self._first: dict[str, str] = {}

    async def match(self, aggregate: Thread | Desk, event: Event) -> MatchedEvent:
        """Return the event without codewords. Raises `OSError` when there is not enough memory for the digests now."""
        match aggregate, event:
            case Thread(), TextArrived() if event.codeword_match is not CodewordMatch.NONE:
                return MatchedEvent(event, event.codeword_match)
            case Thread(), TextArrived() | MessageSent() if aggregate.codeword.digests is not None:
                return await self._compare(aggregate.codeword.digests, event)
            case Desk(), MessageSent() if (asking := pending_answer(aggregate, event, parse(event.body))) is not None:
                answer = await self._take_enrolment(event, asking.user, second=asking.wants_duress_word)
                return MatchedEvent(replace(event, body="", mentioned_users=()), enrolment_answer=answer)
        return MatchedEvent(event)

    async def _compare(self, digests: Digests, event: TextArrived | MessageSent) -> MatchedEvent:
        body = event.body
        runs = codeword_forms.runs(body, digests.lengths, digests.parts)
        every = list(dict.fromkeys(run.form for run in runs))
        forms = every[: DIGEST_COUNTS[-1]]
        words = await self._hash_pool.run(_classify, self._pepper, digests, forms)
        matches = {form: word for form, word in zip(forms, words, strict=True) if word is not CodewordMatch.NONE}
        masked = codeword_forms.mask(body, [run for run in runs if run.form in matches])
        # If a text has both words, the person may be under duress.
        word = (
            CodewordMatch.DURESS
            if CodewordMatch.DURESS in matches.values()
            else CodewordMatch.SAFE
            if matches
            else CodewordMatch.NONE
        )
        return MatchedEvent(event if masked == body else replace(event, body=masked), word, partly=len(every) > len(forms))

    async def _take_enrolment(self, event: MessageSent, user: str, *, second: bool) -> EnrolmentAnswer:
        """Process the answer to an enrolment in an office."""
        said = event.body
        if not is_plain(event):
            return EnrolmentAnswer(flaw=Flaw.NOT_PLAIN)
        if not second:
            flaw = codeword_forms.find_flaw(self._pack, said)
            if flaw is None:
                self._keep_first(user, said)
            return EnrolmentAnswer(flaw=flaw)
        if (first := self._first.get(user)) is None:
            return EnrolmentAnswer(flaw=Flaw.LOST)
        none = NO_DURESS_WORD.fullmatch(said.strip()) is not None
        flaw = None if none else codeword_forms.find_flaw(self._pack, said, codeword_forms.normalise(first))
        if flaw is not None:
            return EnrolmentAnswer(flaw=flaw)
        other = None if none else said
        return EnrolmentAnswer(digests=await self._hash_pool.run(_make_digests, self._pepper, first, other))

    def _keep_first(self, user: str, said: str) -> None:
        """Keep a word until the second comes, at most for the time-out of the second."""
        self._first[user] = said
        asyncio.get_running_loop().call_later(ANSWER_WITHIN + 1.0, self._forget_first, user, said)

    def _forget_first(self, user: str, said: str) -> None:
        if self._first.get(user) is said:
            del self._first[user]


def codeword_digest(pepper: bytes, salt: bytes, form: str) -> bytes:
    """Return a word's digest: the slow hash of its HMAC under the vault's pepper. Raises `RuntimeError` without memory."""
    return slow_hash(hmac.digest(pepper, form.encode(), hashlib.sha256), salt)


def _make_digests(pepper: bytes, safe: str, duress: str | None) -> Digests:
    salt = os.urandom(SALT_BYTES)
    words = (safe, safe if duress is None else duress)
    forms = [codeword_forms.normalise(word) for word in words]
    # Without a duress word, a random one takes its place, so that there are always two to compare with.
    texted = forms if duress is not None else [forms[0], os.urandom(HASH_BYTES).hex()]
    digests = [codeword_digest(pepper, salt, form).hex() for form in texted]
    parts = [len(codeword_forms.tokens(word)) for word in words]
    return Digests(
        salt=salt.hex(),
        safe=digests[0],
        duress=digests[1],
        lengths=(len(forms[0]), len(forms[1])),
        parts=(parts[0], parts[1]),
    )


def _classify(pepper: bytes, digests: Digests, forms: Sequence[str]) -> list[CodewordMatch]:
    """Return for each form which word it is. The work depends only on the number of forms."""
    salt, safe, duress = (bytes.fromhex(part) for part in (digests.salt, digests.safe, digests.duress))
    words: list[CodewordMatch] = []
    for number in range(next(step for step in DIGEST_COUNTS if len(forms) <= step)):
        digest = codeword_digest(pepper, salt, forms[number] if number < len(forms) else "")
        is_safe, is_duress = hmac.compare_digest(digest, safe), hmac.compare_digest(digest, duress)
        words.append(CodewordMatch.DURESS if is_duress else CodewordMatch.SAFE if is_safe else CodewordMatch.NONE)
    return words[: len(forms)]
