"""`up` with a real homeserver or none, and stand-ins for the rest: what the tests start, ask and kill.

`python -m tests.deploy.fake_stack DIRECTORY PORT [CHILD=BEHAVIOUR…]`. The homeserver is a stand-in too unless the
arguments hold `homeserver=real`; its provisioning is then real as well.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from deploy.cli.terminal import status_output, write_line
from deploy.data_dir.layout import CHILDREN, Layout, Ports
from deploy.data_dir.secret_files import SetupError
from deploy.stack.provision import homeserver_child
from deploy.stack.supervisor import Child
from deploy.stack.up import up
from tests.e2e.polling import STEP_TIMEOUT


def children(layout: Layout, ports: Ports, behaviours: dict[str, str]) -> list[Child]:
    parts = []
    for name in CHILDREN:
        behaviour = behaviours.get(name, "")
        if behaviour == "real":
            parts.append(homeserver_child(layout))
            continue
        command, argument = ("tests.deploy.fake_child", name, str(ports.of(name))), (behaviour,) if behaviour else ()
        until_ready, always = (argument, ()) if behaviour == "first" else ((), argument)
        refusal = 2 if name == "bridge" else None
        bound = 1.0 if behaviour == "stubborn" else STEP_TIMEOUT
        parts.append(
            Child(name=name, command=(*command, *always), until_ready=until_ready, stop_seconds=bound, refusal=refusal)
        )
    return parts


def main(directory: str, port: str, *spoilt: str) -> int:
    layout, ports = Layout(Path(directory)), Ports(int(port))
    behaviours = dict(part.split("=") for part in spoilt)
    if behaviours.get("homeserver") != "real":
        layout.homeserver.mkdir(parents=True, exist_ok=True)
        layout.provisioned_file.touch()
        (layout.homeserver / "homeserver.db").touch()
        for name, byte in (("vault.key", "00"), ("index.key", "01"), ("suppression.key", "02")):
            (layout.secrets).mkdir(exist_ok=True)
            (layout.secrets / name).write_text(byte * 32)
            (layout.secrets / name).chmod(0o600)
        (layout.secrets / "homeserver.signing.key").write_text("ed25519 a_0000 " + "A" * 43)
        (layout.secrets / "accounts.json").write_text('[{"user": "ada", "role": "advocate", "password": "p"}]')
    try:
        with status_output() as output:
            return asyncio.run(up(layout, ports, output, run=children(layout, ports, behaviours)))
    except SetupError as error:
        write_line("\n".join(error.problems), err=True)
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
