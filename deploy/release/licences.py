"""The licence of each package that runs, as an SPDX expression, and whether it is compatible with AGPL-3.0-or-later.

Rules of this module: an SPDX expression that a package declares is used. For any other declaration, the package's own
licence file was read, and the result is in `READ`. A licence that is not in `COMPATIBLE` is not compatible.

Sources: gnu.org/licenses/license-list.html (compatible with the GNU GPL, version 3); spdx.org/licenses (identifiers).
"""

from __future__ import annotations

import importlib.metadata
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from license_expression import get_spdx_licensing

if TYPE_CHECKING:
    from collections.abc import Mapping

READ: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aiofiles": "Apache-2.0",
        "aiohappyeyeballs": "PSF-2.0",
        "aiosignal": "Apache-2.0",
        "apsw": "any-OSI",
        "atomicwrites": "MIT",
        "automat": "MIT",
        "base58": "MIT",
        "bcrypt": "Apache-2.0",
        "bleach": "Apache-2.0",
        "canonicaljson": "Apache-2.0",
        "certifi": "MPL-2.0",
        "charset-normalizer": "MIT",
        "constantly": "MIT",
        "frozenlist": "Apache-2.0",
        "h11": "MIT",
        "hyperframe": "MIT",
        "hyperlink": "MIT",
        "incremental": "MIT",
        "jinja2": "BSD-3-Clause",
        "markdown-it-py": "MIT",
        "matrix-common": "Apache-2.0",
        "matrix-nio": "ISC",
        "mautrix": "MPL-2.0",
        "mdurl": "MIT",
        "multipart": "MIT",
        "netaddr": "BSD-3-Clause",
        "peewee": "MIT",
        "propcache": "Apache-2.0",
        "psycopg2-binary": "LGPL-3.0-or-later",
        "pyasn1": "BSD-2-Clause",
        "pyasn1-modules": "BSD-2-Clause",
        "pymacaroons": "MIT",
        "pynacl": "Apache-2.0",
        "pyopenssl": "Apache-2.0",
        "pyrsistent": "MIT",
        "pyyaml": "MIT",
        "requests": "Apache-2.0",
        "rich": "MIT",
        "semantic-version": "BSD-2-Clause",
        "setuptools-rust": "MIT",
        "signedjson": "Apache-2.0",
        "six": "MIT",
        "sortedcontainers": "Apache-2.0",
        "unpaddedbase64": "Apache-2.0",
        "vodozemac": "MIT AND Apache-2.0",
        "webencodings": "BSD-3-Clause",
        "yarl": "Apache-2.0",
    }
)
"""Licences of packages that do not declare an SPDX expression."""

COMPATIBLE: Final = frozenset(
    {
        "0BSD",
        "AGPL-3.0-only",
        "AGPL-3.0-or-later",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "GPL-2.0-or-later",
        "GPL-3.0-only",
        "GPL-3.0-or-later",
        "HPND",
        "ISC",
        "LGPL-2.1-only",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only",
        "LGPL-3.0-or-later",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "ZPL-2.1",
        "Zlib",
        "any-OSI",
    }
)
"""Compatible with a work under AGPL-3.0-or-later. any-OSI: the recipient chooses any licence of the OSI's list."""

_SPDX: Final[Any] = get_spdx_licensing()


class UnknownLicence(LookupError):  # noqa: N818 - an answer, not a failure
    """A package declares no SPDX expression, and its licence is not in `READ`."""


def licence_of(name: str) -> str:
    """Return the licence of an installed package. Raises `UnknownLicence`."""
    try:
        declared = next(iter(importlib.metadata.metadata(name).get_all("License-Expression") or ()), None)
    except importlib.metadata.PackageNotFoundError:
        declared = None
    if licence := declared or READ.get(name):
        return str(licence)
    raise UnknownLicence(name)


def is_compatible(expression: str) -> bool:
    """Whether a work under this licence may be combined with ours. OR needs one compatible licence, AND needs all."""
    return _is_allowed(_SPDX.parse(expression))


def _is_allowed(part: Any) -> bool:
    if isinstance(part, _SPDX.OR):
        return any(_is_allowed(each) for each in part.args)
    if isinstance(part, _SPDX.AND):
        return all(_is_allowed(each) for each in part.args)
    # An exception (WITH) only adds permissions.
    return str(getattr(part, "license_symbol", part).key) in COMPATIBLE
