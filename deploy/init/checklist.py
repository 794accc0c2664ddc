"""`CHECKLIST.md`: one page that lists what the operator still has to do, with the settings of the vendor's console.

Rule of this module: the settings for each vendor are written once, in `deploy/examples`; here the line's address is filled
in. The page contains no number, name or secret.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.runtime.program import ROOT
from deploy.init.client_files import ELEMENT_FILE, WELL_KNOWN_FILE
from deploy.init.compose_files import CONTAINER_USER, EXEC, container_owner, has_own_network
from deploy.init.egress import address_lists
from deploy.init.first_steps import first_steps
from deploy.init.render import render
from deploy.init.service_files import user_name
from deploy.init.synapse_files import MODULE_SOURCE, registration_path
from policies.pack import unreviewed

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers
    from deploy.init.line_names import LineNames
    from policies.pack import Pack

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
EXAMPLE_ADDRESS: Final = "https://text.example.org/carriers/main"


def checklist(answers: Answers, names: LineNames, layout: Layout, pack: Pack) -> str:
    """Write the page, as Markdown."""
    copied = registration_path(answers, names)
    is_root, account = os.getuid() == 0, user_name(names.slug)
    page = render(
        "CHECKLIST.md",
        mode=answers.mode,
        service=answers.service,
        embedded=answers.homeserver is None,
        root=is_root,
        data=layout.data,
        ready=layout.ready,
        bridge=layout.bridge,
        secrets=layout.secrets,
        handout=layout.handout,
        config=layout.config,
        program=ROOT / "quietline",
        beside=EXEC if has_own_network(answers) else "./quietline",
        open_texts=len(unreviewed(pack)),
        public_url=answers.public_url,
        host=urlsplit(answers.public_url or "").hostname,
        server_name=answers.name,
        proxy=answers.proxy_kind,
        bridges=() if answers.standby is None else answers.standby.at(names.ports.bridge),
        is_far=answers.standby is not None and answers.standby.is_far,
        well_known_file=WELL_KNOWN_FILE,
        element_file=ELEMENT_FILE,
        module=MODULE_SOURCE,
        registration=names.registration,
        copied=copied,
        slug=names.slug,
        instance="" if names.slug is None else f"@{names.slug}",
        entry=json.dumps({"registration": str(copied), "policy": f"@{names.policy}:{answers.name}"}),
        user=account,
        group=account if is_root else os.getgid(),
        # The account has to pass through every directory above the line's.
        closed=" ".join(str(each) for each in reversed(layout.data.parents) if not each.stat().st_mode & stat.S_IXOTH),
        container_user=CONTAINER_USER,
        owner=container_owner(),
        sheets=" or ".join(f"`{layout.data / name}`" for name in first_steps(answers.agency.languages)),
        backup=answers.backup.to if answers.backup is not None else None,
        on_call=answers.on_call,
        has_addresses=bool(address_lists(answers)),
    )
    numbers = itertools.count(1)
    lines = [f"{next(numbers)}. [ ] {line[2:]}" if line.startswith("- ") else line for line in page.splitlines()]
    return "\n".join([*lines, "", *_vendor(answers, names)])


def _vendor(answers: Answers, names: LineNames) -> list[str]:
    kind = str((answers.carrier or {}).get("kind", "rehearsal"))
    example = EXAMPLES / f"{kind}.yaml"
    if answers.mode == "rehearsal" or not example.is_file():
        return []
    address = f"{answers.public_url or names.ports.url('bridge')}/carriers/{answers.line.slug}"
    head = []
    for line in example.read_text(encoding="utf-8").splitlines():
        if line.strip() == "#":
            break
        head.append(line.removeprefix("#").removeprefix(" ").replace(EXAMPLE_ADDRESS, address))
    return [
        "## At the vendor",
        "",
        *head,
        "",
        "All of it, step by step, and what to switch off there: deploy/docs/carriers.md.",
        "",
    ]
