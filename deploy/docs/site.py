"""The pages as a website: `python -m deploy.docs.site DIRECTORY` writes static HTML without any outside request.

Rules of this module: every page is in the navigation, once; a link without a target (a page, heading or file of the
project) is an error, and so is a picture without a description or from elsewhere: then nothing is written. No script, font
or style sheet is loaded from elsewhere, and HTML in the pages is not passed through. markdown-it-py is already a locked
dependency, for the command's terminal output.
"""

from __future__ import annotations

import html
import itertools
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from bridge.runtime.program import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

NAVIGATION: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Begin": ("README.md", "deploy/docs/first-conversation.md"),
        "Run a line": (
            "deploy/docs/operator.md",
            "deploy/docs/joining.md",
            "deploy/docs/lines.md",
            "deploy/docs/releasing.md",
            "deploy/docs/shifts.md",
            "deploy/docs/shifts.es.md",
            "deploy/docs/carriers.md",
            "deploy/docs/phones.md",
            "deploy/docs/phones.es.md",
            "deploy/docs/verbs.md",
            "deploy/docs/keys.md",
            "deploy/docs/packs.md",
            "deploy/docs/monitoring.md",
            "deploy/docs/standby.md",
            "deploy/docs/capacity.md",
            "deploy/docs/kubernetes.md",
            "deploy/docs/disasters.md",
            "deploy/synapse_module/README.md",
        ),
        "Answer": (
            "deploy/docs/first-evening.md",
            "deploy/docs/first-evening.es.md",
            "deploy/docs/card.md",
            "deploy/docs/card.es.md",
            "deploy/docs/advocate.md",
            "deploy/docs/advocate.es.md",
            "deploy/docs/supervisor.md",
            "deploy/docs/supervisor.es.md",
            "deploy/docs/commands.md",
            "deploy/docs/commands.es.md",
            "deploy/docs/clients.md",
            "deploy/docs/clients.es.md",
            "deploy/docs/drills.md",
            "deploy/docs/drills.es.md",
            "deploy/docs/signs.md",
            "deploy/docs/signs.es.md",
            "policies/PREVIEW.md",
        ),
        "Trust it, or not": (
            "deploy/docs/survivor.md",
            "deploy/docs/survivor.es.md",
            "deploy/docs/counsel.md",
            "deploy/docs/counsel.es.md",
            "deploy/docs/THREATMODEL.md",
            "deploy/docs/SECURITY.md",
            "deploy/docs/breach.md",
            "deploy/docs/breach.es.md",
            "deploy/docs/vendor.md",
            "deploy/docs/practices.md",
            "deploy/docs/practices.es.md",
            "deploy/CONFORMANCE.md",
        ),
        "Work on it": (
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "deploy/docs/contributing-command.md",
            "GLOSSARY.md",
            "deploy/docs/design.md",
            "DECISIONS.md",
            "deploy/docs/facts-matrix.md",
            "deploy/docs/facts-sms.md",
            "CHANGELOG.md",
        ),
    }
)
PICTURES: Final = ROOT / "deploy" / "docs" / "pictures"
DECISIONS: Final = "deploy/docs/decisions"
"""`DECISIONS.md` links to these pages; they are not in the navigation themselves."""
STYLE: Final = """\
body{font:1rem/1.55 system-ui,sans-serif;margin:0;color:#1b1b1b;background:#fff}
main{max-width:52rem;padding:1rem 1.5rem 4rem;margin:auto}
nav{background:#f3f3f0;padding:.6rem 1.5rem}nav details{margin:.2rem 0}nav li{margin:.1rem 0}
pre{background:#f3f3f0;padding:.8rem;overflow:auto}code{font-size:.92em}
main{overflow-wrap:anywhere}pre,table{overflow-wrap:normal}
table{border-collapse:collapse;display:block;overflow:auto}
img{max-width:100%;border:1px solid #bbb}td,th{border:1px solid #bbb;padding:.3rem .5rem;text-align:left}
@media(min-width:80rem){nav{position:fixed;width:15rem;height:100%;overflow:auto}main{margin-left:18rem}}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}nav,pre{background:#222}a{color:#9cf}}
@media print{nav{display:none}}
"""
POLICY: Final = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


class BrokenLinks(Exception):  # noqa: N818 - an answer, not a failure
    """Links without a target, each with its page."""


@dataclass(slots=True)
class SitePage:
    """One page of the site. `source`: its path in the project; `links`: its links, as written."""

    source: str
    tokens: Sequence[Token]
    title: str = ""
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)
    """Its pictures: the file, as written, and the description."""

    @property
    def name(self) -> str:
        """The name of its file on the site."""
        return "index.html" if self.source == "README.md" else self.source.removesuffix(".md").replace("/", "-") + ".html"


def sources() -> list[str]:
    """Return the pages of the site, in the order of the navigation; decisions last."""
    decisions = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / DECISIONS).glob("*.md"))
    return [*(source for part in NAVIGATION.values() for source in part), *decisions]


def read_pages() -> dict[str, SitePage]:
    """Read all pages, by source. Raises :class:`BrokenLinks` with every link without a target."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    pages = {}
    for source in sources():
        text = re.sub(r"<!--.*?-->\n?", "", (ROOT / source).read_text(encoding="utf-8"), flags=re.DOTALL)
        pages[source] = _read_page(source, parser.parse(text))
    broken = [f"{page.source}: {link}" for page in pages.values() for link in page.links if not _leads(page, link, pages)]
    broken += [
        f"{page.source}: {file}"
        for page in pages.values()
        for file, words in page.pictures
        if not (words and _is_on_site(page, file))
    ]
    if broken:
        raise BrokenLinks("\n".join(broken))
    return pages


def render(pages: Mapping[str, SitePage]) -> dict[str, str]:
    """Return every file of the site by its name."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    files = {"style.css": STYLE}
    for page in pages.values():
        for link in page.links:
            if not urlsplit(link).scheme and (place := _place(page, link)) not in pages:
                files[_file_name(place)] = (ROOT / place).read_text(encoding="utf-8")
        for token in page.tokens:
            for child in token.children or ():
                if child.type == "link_open":
                    child.attrs["href"] = _target(page, str(child.attrs["href"]), pages)
                elif child.type == "image":
                    child.attrs["src"] = Path(str(child.attrs["src"])).name
        body = renderer.renderer.render(page.tokens, renderer.options, {})
        files[page.name] = _frame(page, body, pages)
    return files


def pictures(pages: Mapping[str, SitePage]) -> dict[str, bytes]:
    """Return every picture that the pages show, by its name on the site."""
    return {
        Path(file).name: (PICTURES / Path(file).name).read_bytes() for page in pages.values() for file, _ in page.pictures
    }


def _read_page(source: str, tokens: Sequence[Token]) -> SitePage:
    page = SitePage(source=source, tokens=tokens, title=source)
    for before, token in itertools.pairwise(tokens):
        if before.type == "heading_open":
            words = "".join(child.content for child in token.children or ())
            anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            before.attrs["id"] = anchor
            page.anchors.add(anchor)
            if before.tag == "h1":
                page.title = words
        children = token.children or ()
        page.links += [str(child.attrs["href"]) for child in children if child.type == "link_open"]
        page.pictures += [(str(child.attrs["src"]), child.content) for child in children if child.type == "image"]
    return page


def _place(page: SitePage, link: str) -> str:
    """Return the path in the project that a link names."""
    url = urlsplit(link)
    here = ROOT / page.source
    path = (here.parent / url.path).resolve() if url.path else here
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else "/"


def _is_on_site(page: SitePage, file: str) -> bool:
    """Whether a picture is one of the documentation's own."""
    url = urlsplit(file)
    place = (ROOT / page.source).parent / url.path
    return not (url.scheme or url.netloc) and place.resolve().parent == PICTURES and place.is_file()


def _leads(page: SitePage, link: str, pages: Mapping[str, SitePage]) -> bool:
    url = urlsplit(link)
    if url.scheme:
        return url.scheme == "https"
    place = _place(page, link)
    if place in pages:
        return not url.fragment or url.fragment in pages[place].anchors
    return not url.fragment and not place.endswith(".md") and (ROOT / place).is_file()


def _target(page: SitePage, link: str, pages: Mapping[str, SitePage]) -> str:
    """Return where a link leads on the site: a page, or a copy of the file."""
    url = urlsplit(link)
    if url.scheme:
        return link
    if (place := _place(page, link)) not in pages:
        return _file_name(place)
    return pages[place].name + (f"#{url.fragment}" if url.fragment else "")


def _file_name(place: str) -> str:
    return f"file-{place.replace('/', '-')}.txt"


def _frame(page: SitePage, body: str, pages: Mapping[str, SitePage]) -> str:
    language = "es" if page.source.endswith(".es.md") else "en"
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="referrer" content="no-referrer">'
        f'<title>{html.escape(page.title)}</title><link rel="stylesheet" href="style.css"></head>\n'
        f"<body><nav>{''.join(_navigation(page, pages))}</nav>\n<main>{body}</main></body></html>\n"
    )


def _navigation(page: SitePage, pages: Mapping[str, SitePage]) -> Iterator[str]:
    for part, members in NAVIGATION.items():
        opened = " open" if page.source in members else ""
        yield f"<details{opened}><summary>{html.escape(part)}</summary><ul>"
        for source in members:
            yield f'<li><a href="{pages[source].name}">{html.escape(pages[source].title)}</a></li>'
        yield "</ul></details>"


def main(arguments: Sequence[str]) -> int:
    """Write the site into a directory. 0 written, 1 a link has no target, 2 usage."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m deploy.docs.site DIRECTORY\n")
        return 2
    try:
        pages = read_pages()
        files = {name: text.encode() for name, text in render(pages).items()} | pictures(pages)
    except BrokenLinks as error:
        sys.stderr.write(f"links that lead nowhere:\n{error}\n")
        return 1
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
