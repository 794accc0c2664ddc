"""The page with the handsets.

Rule of this module: the page requests nothing from another server, and its headers make the browser enforce this.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetPage:
    """`page.html` with style, script and the line's number filled in, and the content security policy for them."""

    html: str = field(repr=False)
    policy: str

    @classmethod
    def load(cls, *, number: str) -> HandsetPage:
        """Read the page. `number` is E.164, so nothing in it needs escaping."""
        html, style, script = (
            Path(__file__).with_name(f"page.{ending}").read_text(encoding="utf-8") for ending in ("html", "css", "js")
        )
        html = html.replace("{{style}}", style).replace("{{script}}", script).replace("{{number}}", number)
        policy = (
            f"default-src 'none'; connect-src 'self'; img-src data:; script-src {_hash(html, 'script')}; "
            f"style-src {_hash(html, 'style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return cls(html=html, policy=policy)

    def response(self) -> web.Response:
        """Answer with the page."""
        headers = {
            "Content-Security-Policy": self.policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=self.html, content_type="text/html", headers=headers)


def _hash(html: str, element: str) -> str:
    # Content Security Policy Level 3, §6.7.2: the hash covers the exact bytes between the tags.
    (inner,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
