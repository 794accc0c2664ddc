"""Updates our own addresses in `config.yaml` to the ports, and to the places where the parts of the line run.

Rules of this module: every other character stays as it is; an address in a form that we did not write is the operator's
own choice. On one machine everything is on loopback. In containers with an address each, the homeserver is reached by its
name and the bridge listens for the proxy. A start of the other kind corrects both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import yaml

from deploy.data_dir.layout import EVERYWHERE, HOMESERVER_NAME, HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.data_dir.layout import Ports

_HOMESERVER: Final = re.compile(rf"http://({re.escape(HOST)}|{HOMESERVER_NAME}):[0-9]+")
_LOOPBACK: Final = re.compile(rf"http://{re.escape(HOST)}:[0-9]+")
_PORT: Final = re.compile(r"[0-9]+")
_LISTEN: Final = re.compile(rf"{re.escape(HOST)}|{re.escape(EVERYWHERE)}")


def homeserver_url(ports: Ports, *, listen: str = HOST) -> str:
    """Return the homeserver's URL for the bridge. `listen`: the address on which the homeserver listens."""
    return ports.url("homeserver") if listen == HOST else f"http://{HOMESERVER_NAME}:{ports.homeserver}"


def with_addresses(text: str, ports: Ports, *, listen: str = HOST) -> str:
    """Return a configuration with our addresses corrected in place. Raises `yaml.YAMLError`.

    `listen`: the address on which the homeserver listens: loopback, or every address of a container.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    homeserver, listening = list(_children_of(root, "homeserver")), list(_children_of(root, "listen"))
    proxied = any(url.value for part in homeserver for url in _children_of(part, "public_url"))
    urls = [node for part in homeserver for node in _children_of(part, "url")]
    url = homeserver_url(ports, listen=listen)
    # Only a start of the other kind changes where the bridge listens: otherwise that is the operator's own choice.
    other = any(
        _HOMESERVER.fullmatch(str(node.value)) and str(node.value).rpartition(":")[0] != url.rpartition(":")[0]
        for node in urls
    )
    hosts = [node for part in listening for node in _children_of(part, "host")] if other else []
    replacements = [
        *((node, url, _HOMESERVER) for node in urls),
        *((node, listen, _LISTEN) for node in hosts),
        *((node, str(ports.bridge), _PORT) for part in listening for node in _children_of(part, "port")),
        # With a public URL there is a proxy, and the carrier has the proxy's address.
        *(
            (node, ports.url("bridge"), _LOOPBACK)
            for part in (() if proxied else listening)
            for node in _children_of(part, "public_base_url")
        ),
        *((node, ports.url("carrier"), _LOOPBACK) for node in _rehearsal_bases(root)),
    ]
    by_start = {node.start_mark.index: (node, value, form) for node, value, form in replacements}
    for start, (node, value, form) in sorted(by_start.items(), reverse=True):
        if isinstance(node, yaml.ScalarNode) and form.fullmatch(node.value):
            written, rest = text[start : node.end_mark.index], text[node.end_mark.index :]
            before, middle, after = written.rpartition(node.value)  # quotes, or an anchor, may surround it
            text = f"{text[:start]}{before}{value}{after}{rest}" if middle else text
    return text


def _rehearsal_bases(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield the `api_base` of each rehearsal carrier; any other carrier on this machine is the operator's own gateway."""
    for lines in _children_of(root, "lines"):
        for line in lines.value if isinstance(lines, yaml.SequenceNode) else ():
            for carrier in _children_of(line, "carrier"):
                if any(kind.value == "rehearsal" for kind in _children_of(carrier, "kind")):
                    yield from _children_of(carrier, "api_base")


def _children_of(node: yaml.Node | None, key: str) -> Iterator[yaml.Node]:
    """Yield the values of a key of a mapping; nothing without that key, or for another node."""
    if isinstance(node, yaml.MappingNode):
        yield from (value for name, value in node.value if name.value == key)
