"""Numbers and addresses that are reserved for examples, found by their form.

Rule of this module: exactly these, and no other pattern, because a line that refuses its own true number cannot start.
Numbers 555-01xx and 555-555-xxxx however they are written, `example.*`, `.test`, `.invalid`, and XXX. Pure.

Sources: North American Numbering Plan, 555-0100 to 555-0199 for fiction; RFC 2606 and RFC 6761, names for examples.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SEPARATORS: Final = r"[\s().\-/·]{0,3}"
"""What people put between the groups of a number."""
DASHES: Final = re.compile(r"[‐-―−]")  # noqa: RUF001 - every hyphen and dash that a phone shows alike
NUMBER: Final = re.compile(
    rf"""
    (?<![\d]) (?: \+? 1 {SEPARATORS} )?
    (?:
        \(? 555 {SEPARATORS} 555 {SEPARATORS} \d{{4}}
      | (?: \(? [2-9]\d\d {SEPARATORS} )? 555 {SEPARATORS} 01\d\d
    )
    (?!\d)
    """,
    re.VERBOSE,
)
FOREIGN: Final = re.compile(r"\+(?!1)\d[\d\s().\-/]*$")
"""Before a match: a country's code other than 1, so what follows is another plan's number."""
ADDRESS: Final = re.compile(
    r"""
    (?<![\w-]) example \. [a-z]{2,}
  | (?<=\w) \. (?: test | invalid ) (?! [\w-] | \.\w )
    """,
    re.VERBOSE | re.IGNORECASE,
)
GAP: Final = re.compile(r"(?<![^\W\d_])XXX+(?![^\W\d_])")


def find_fictional(text: str) -> str | None:
    """Return the first reserved number or address in a text, as it is written there except for its digits; or None."""
    plain = DASHES.sub("-", "".join(_plain_digit(letter) for letter in unicodedata.normalize("NFKC", text)))
    for match in NUMBER.finditer(plain):
        if not FOREIGN.search(plain[: match.start()]):
            return match.group()
    address = ADDRESS.search(plain) or GAP.search(plain)
    return address.group() if address else None


def _plain_digit(letter: str) -> str:
    return str(unicodedata.digit(letter)) if letter.isdigit() else letter
