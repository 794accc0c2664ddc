"""What a text means once the agreed words in it are masked: what it would with any other word in their place.

Rule of this module: nothing that the phone can notice may turn on a mask. The mask is made of signs that people put behind
keywords as pictures; read as they stand, "later" and the agreed word would be a silent way out, and "later" and a guess
would be conversation, so that whoever holds the phone could tell the one from the other (practice 10).
"""

from __future__ import annotations

from typing import Final

from bot.language.codeword_forms import MASK
from policies.keywords import MessageMeaning, classify
from policies.pack import Pack

PLACEHOLDER: Final = "zebra"
"""A word that means nothing anywhere."""


def meaning(body: str, pack: Pack) -> MessageMeaning:
    """Say what a text means, in any of the languages of the pack (`policies.keywords.classify`)."""
    return classify(body.replace(MASK, PLACEHOLDER), pack)
