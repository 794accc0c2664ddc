"""`CHECKLIST.md`: one page that lists what the operator still has to do, with the settings of the vendor's console.

Rule of this module: the settings for each vendor are written once, in `deploy/examples`; here the line's address is filled
in. The page contains no number, name or secret.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.runtime.program import ROOT
from bridge.runtime.settings import credential_name
from deploy.init.client_files import ELEMENT_FILE, WELL_KNOWN_FILE
from deploy.init.compose_files import CONTAINER_USER, EXEC, container_owner, has_own_network
from deploy.init.egress import address_lists
from deploy.init.first_steps import first_steps
from deploy.init.line_names import FOLDER
from deploy.init.service_files import user_name
from deploy.init.synapse_files import MODULE_SOURCE, registration_path
from policies.pack import unreviewed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers, StandbyAnswer
    from deploy.init.line_names import LineNames
    from policies.pack import Pack

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
EXAMPLE_ADDRESS: Final = "https://text.example.org/carriers/main"


def checklist(answers: Answers, names: LineNames, layout: Layout, pack: Pack) -> str:
    """Write the page, as Markdown."""
    steps = list(_steps(answers, names, layout, pack))
    lines = [f"{number}. [ ] {step}" for number, step in enumerate(steps, 1)]
    return "\n".join(["# Before the first text", "", *lines, "", *_vendor(answers, names)])


def _steps(answers: Answers, names: LineNames, layout: Layout, pack: Pack) -> Iterator[str]:
    data = f"--data {layout.data}"
    if answers.mode == "rehearsal":
        if answers.service == "compose":
            yield from _containers(layout)
        else:
            yield f"`./quietline up {data}`."
        yield f"Handsets are in a browser; `{layout.ready}` says where everything is."
        return
    if open_texts := unreviewed(pack):
        yield (
            f"Counsel reads {len(open_texts)} legal wordings (`./quietline policy lint {data}` names them); then "
            "reviewed_by and reviewed_on go into `agency.yaml`. The line does not start before."
        )
    yield from _address(answers, names, layout)
    yield from _join(answers, names, layout)
    verb = "bridge" if answers.homeserver else "up"
    program = EXEC if has_own_network(answers) else "./quietline"
    if answers.service == "systemd":
        yield from _service_user(names, layout)
        what = "files" if names.slug is None else "files and folders (`cp -r`)"
        line = names.unit("quietline").removesuffix(".service")
        yield (
            f"Copy the {what} in `{layout.data}/units/` to `/etc/systemd/system/`; `systemctl daemon-reload`; "
            f"`systemctl enable --now {line} {names.unit('quietline-doctor', 'timer')}`."
        )
    elif answers.service == "compose":
        if answers.backup is not None:
            user, group = container_owner()
            command = f"install -d -m 700 -o {user} -g {group} {answers.backup.to}"
            yield f"As root, `{command}`: the bridge's container looks there for the newest backup."
        yield from _containers(layout)
    else:
        yield f"`./quietline {verb} {data}`, under whatever starts it again at boot."
    yield "Set up the vendor's console (below), then `" + program + " carrier check " + data + "`."
    yield (
        f"Give each person the file of their name in `{layout.handout}`, by hand or another safe way, and "
        f"{_sheets(answers, layout)}; "
        "they sign in, change the password, and the file is deleted."
    )
    yield (
        f"`{program} trust {data}` shows the fingerprint of the first supervisor who signed in; compare it with what "
        "their client shows, and confirm it."
    )
    yield f"`{program} doctor {data}`: everything that it says is put right." + (
        ""  # its timer exists
        if answers.service == "systemd"
        else " On a timer of yours, with `--alarm`, it prints only which rows changed since the last time; the desk is "
        "told of a new fault, and the person on call is called."
    )
    if answers.backup is None:
        yield f"Backups: `./quietline backup {data} --to FILE --passphrase-file FILE`, on a timer of yours."
    elif answers.service == "systemd":
        account = user_name(names.slug)
        command = f"install -d -m 700 -o {account} -g {account if os.getuid() == 0 else os.getgid()} {answers.backup.to}"
        private = "; the passphrase's file stays root's" if os.getuid() == 0 else ""
        yield f"As root, `{command}`: the account that runs the line writes backups there{private}."
        timers = f"{names.unit('quietline-backup', 'timer')} {names.unit('quietline-drill', 'timer')}"
        yield f"Backups, and a trial of the newest each month: `systemctl enable --now {timers}`."
    else:
        yield f"Backups on a timer of yours: `./quietline backup {data}`, and once a month `./quietline drill {data}`."
    if answers.on_call is None:
        yield from _on_call(answers, layout)
    yield from _canary(answers, names, layout)
    yield "Text the line from a phone of your own before anybody else does."


def _containers(layout: Layout) -> Iterator[str]:
    """Say how containers are started, when root made the files: no container runs as root."""
    if os.getuid() == 0:
        user = f"{CONTAINER_USER}:{CONTAINER_USER}"
        yield f"`chown -R {user} {layout.data}`: the container's user owns what it reads and writes."
    yield f"In `{layout.data}`: what the head of `compose.yaml` says."


def _sheets(answers: Answers, layout: Layout) -> str:
    """Name the sheets with the first steps, which are for people."""
    return " or ".join(f"`{layout.data / name}`" for name in first_steps(answers.agency.languages))


def _on_call(answers: Answers, layout: Layout) -> Iterator[str]:
    """Say how the person on call is called, and what keeps the bridge's unit from it."""
    text = "Somebody on call: give `lines.0.on_call` in `config.yaml` a `webhook_file` or an `email`."
    if answers.homeserver is not None and answers.service == "systemd":
        secret = layout.secrets / "on_call_webhook"
        text += (
            f" The bridge's unit is handed a file that is named there: `LoadCredential={credential_name(secret)}:{secret}`"
        )
        text += ", say, goes into it, beside the others."
        if address_lists(answers):
            text += (
                " The lines `IPAddressDeny=` and `IPAddressAllow=` come out of its unit and the canary's, or the address "
            )
            text += "is allowed there: else nobody is called."
        text += " The same holds for `lines.0.calendar.address_file`."
    yield text


def _canary(answers: Answers, names: LineNames, layout: Layout) -> Iterator[str]:
    """Say how the canary is started: `up` starts it; with the agency's own homeserver the operator starts it."""
    account = f" and `localpart: canary-{names.slug}`" if names.slug else ""
    text = (
        f"A line that texts itself to see that it works: `openssl rand -hex 32 > {layout.secrets / 'canary'}` (mode 0600, "
        f"of the account that runs the line), the section `canary` of `{layout.config}` with that file{account}, and a "
        "restart."
    )
    run = f"a service of yours runs `./quietline canary --data {layout.data}`"
    if answers.service == "compose":
        run = "`docker compose --profile canary up -d`"
    elif answers.service == "systemd":
        run = f"`systemctl enable --now {names.unit('quietline-canary')}` runs `./quietline canary --data {layout.data}`"
    if answers.homeserver is not None:
        text += f" `./quietline canary --data {layout.data} --show-account` tells the account that the homeserver's "
        text += "administrator makes."
        if answers.service == "systemd":
            secret = layout.secrets / "canary"
            text += f" The bridge's unit is handed the file: `LoadCredential={credential_name(secret)}:{secret}` goes into "
            text += "it, beside the others."
        if answers.standby is not None:
            text += " Of two machines one runs it."
    # `up` runs the canary beside the bridge.
    yield f"{text} Then {run}." if answers.homeserver is not None or answers.service == "compose" else text


def _service_user(names: LineNames, layout: Layout) -> Iterator[str]:
    """Say who must own the files, and what must exist before the units start, whose sandbox can write nowhere else."""
    if os.getuid() == 0:
        user = user_name(names.slug)
        closed = [str(each) for each in reversed(layout.data.parents) if not each.stat().st_mode & stat.S_IXOTH]
        passable = f"; `chmod o+x {' '.join(closed)}`, so that it comes there" if closed else ""
        yield (
            f"`useradd --system --home-dir {layout.data} --shell /usr/sbin/nologin {user}`, then "
            f"`chown -R {user}: {layout.data}`: that account runs the line, and root does not{passable}."
        )
    yield f"`{ROOT}/quietline version`, once: it makes the Python environment, which the units cannot."


def _address(answers: Answers, names: LineNames, layout: Layout) -> Iterator[str]:
    if answers.public_url is None:
        yield "This line is reached from this machine only. Phones need `homeserver.public_url` and a proxy."
        return
    host = urlsplit(answers.public_url).hostname
    own = answers.homeserver is None
    yield f"DNS: `{host}` leads to this machine; ports 80 and 443 are open, and no others of the line."
    if answers.proxy_kind == "none":
        homeserver = ", `/_matrix/` and `/.well-known/matrix/client` to the homeserver (`X-Forwarded-For` set by it)"
        yield (
            f"Your proxy passes `/carriers/` to the bridge{homeserver if own else ''}, nothing else, and logs no requests "
            f"of `{host}`."
        )
    elif answers.service != "compose" or answers.proxy_kind != "caddy":
        yield f"Load the file in `proxy/` into {answers.proxy_kind}."
    if answers.standby is not None:
        yield from _standby(answers.standby, names, layout)
    yield (
        "Outgoing: where a firewall knows names, `proxy/egress.txt` is all that the line speaks to (deploy/docs/phones.md)."
    )
    if own and host != answers.name:
        yield (
            f"So that clients find the homeserver by the name `{answers.name}`: "
            f"`https://{answers.name}/.well-known/matrix/client` answers what is in `{WELL_KNOWN_FILE}`, with "
            "`Access-Control-Allow-Origin: *`. Without it people type the address of their hand-out."
        )
    yield (
        f"An Element of the agency's own, in a browser or on desktops: `{ELEMENT_FILE}` is its configuration "
        "(deploy/docs/clients.md). Without one people type the address of their hand-out into any client."
    )


def _standby(standby: StandbyAnswer, names: LineNames, layout: Layout) -> Iterator[str]:
    """Say how the second bridge is started, and who may reach both."""
    one, two = standby.at(names.ports.bridge)
    if standby.is_far:
        yield (
            f"The second bridge, on its own machine with a copy of `{layout.data}`, but for `{layout.bridge}`: there the "
            f"volume of keys is mounted. `./quietline bridge --data {layout.data}` (deploy/docs/standby.md). Both listen "
            f"on every address: a firewall lets nobody but the proxy reach `{one}` and `{two}`."
        )
    else:
        yield (
            "The second bridge, under whatever starts it again (deploy/docs/standby.md): "
            f"`./quietline bridge --data {layout.data} --listen {two}`."
        )


def _join(answers: Answers, names: LineNames, layout: Layout) -> Iterator[str]:
    """Say what the administrator of the agency's own Synapse does."""
    if answers.homeserver is None:
        return
    files, copied = layout.data / FOLDER, registration_path(answers, names)
    yield (
        f"On the homeserver's machine, in Synapse's own Python environment: `pip install {MODULE_SOURCE}` (Synapse 1.155 "
        "or newer; the README there says more)."
    )
    yield f"Copy `{files / names.registration}` to `{copied}` there, owned by Synapse's user, mode 0600."
    if names.slug is not None:
        entry = {"registration": str(copied), "policy": f"@{names.policy}:{answers.name}"}
        yield (
            "Where another line's `up` runs the homeserver, that line's `config.yaml` gets, in place of the next step, "
            f"`other_lines: [{json.dumps(entry)}]` under `homeserver`, with the registration copied to its `secrets/`, and "
            "a restart. Accounts: `./quietline staff make` with `--host` (deploy/docs/lines.md)."
        )
    yield f"Put `{files}/quietline.yaml` into Synapse's `conf.d`, or its entries into `homeserver.yaml`; restart Synapse."
    yield (
        f"With workers: `{files}/workers.nginx` or `workers.caddy`; `/media` below the module's path leads to the "
        "process that keeps the uploads. "
        f"On PostgreSQL: `{files}/postgresql.conf`. Dumps and `quiet_hours` must not meet."
    )
    yield (
        f"Accounts: `./quietline staff make --data {layout.data} --admin-token-file FILE` makes one for each hand-out, "
        "with an administrator's token that is not kept. Where there is none: `register_new_matrix_user --no-admin -u "
        "NAME` for each, with the password of the hand-out. Who has an account keeps it, and gets no hand-out."
    )


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
