"""The words of every notice, in every language in which the software speaks to staff.

They are gettext catalogues in `bot/wording/locale`: `messages.pot` has the English, and each other language is one file
beside it, named by its code as in `!lang me` and a pack's `staff_language`. A key is a message's context.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).parent / "locale"
SOURCE: Final = FOLDER / "messages.pot"


def read_catalogue(path: Path) -> dict[str, tuple[str, str]]:
    """Return the English and the translation (empty in the source) by key."""
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    return {message.context: (str(message.id), str(message.string)) for message in catalogue if message.context}


ENGLISH: Final[Mapping[str, str]] = MappingProxyType({key: words for key, (words, _) in read_catalogue(SOURCE).items()})
TABLES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"en": ENGLISH}
    | {
        path.stem: MappingProxyType({key: words for key, (_, words) in read_catalogue(path).items() if words})
        for path in sorted(FOLDER.glob("*.po"))
    }
)
"""By language; English first, and complete. What another language lacks is said in English."""
