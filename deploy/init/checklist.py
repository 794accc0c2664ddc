"""`CHECKLIST.md`, what the operator still has to do, with the vendor's console; and the first steps for staff.

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
from deploy.init.compose_files import CONTAINER_USER, EXEC, container_owner, has_own_network
from deploy.init.egress import address_lists
from deploy.init.proxy_files import ELEMENT_FILE, WELL_KNOWN_FILE
from deploy.init.render import render
from deploy.init.service_files import user_name
from deploy.init.synapse_files import MODULE_SOURCE, registration_path
from policies.pack import unreviewed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy.data_dir.layout import Layout
    from deploy.init.answers import Answers
    from deploy.init.line_names import LineNames
    from policies.pack import Pack

FILES: Final[Mapping[str, str]] = {"en": "FIRST-STEPS.md", "es": "PRIMEROS-PASOS.md"}
SHEETS: Final[Mapping[str, str]] = {
    "en": """\
# Your first steps

You have a file of three lines: the address of the homeserver, your user name, and a first password.

1. Use a device of the agency, not your own phone. Set a screen lock, and show no words of messages on the lock
   screen.
2. Open a Matrix client, such as Element. Change the homeserver to the address in your file, and sign in.
3. Change the password, in the client's settings. Then destroy the file.
4. The client offers to set up a recovery key: do it, and keep the key where your passwords are. Without it no other
   device of yours reads anything.
5. Turn on "exclude insecure devices", or "encrypt to verified devices only", in the settings for security.
6. Accept two invitations: the desk, where everybody is, and your office, where only you and the software are.
7. At the desk, say your fingerprint to a supervisor, in person or by phone call. Until they have confirmed it
   (`!trust`), you get no keys and can read nothing.
8. Say `!help`. With `!lang me es` the software speaks Spanish to you.
9. `!on` when your shift begins, `!off` when it ends: only who is on is called. Let the app notify for mentions, and
   set the desk to "mentions only".
10. Practise before anybody real texts: on a rehearsal line `!drill` brings a scripted texter.

**What you write in a thread's room goes to the phone**, word for word, once the thread is yours. `// words` stay in
the room. Something is wrong: tap 🛑 on any message, or say `!unsafe`. Nothing leaves any more.

The pages for you come with the software, in `deploy/docs`: `first-evening.md`, `card.md`, `advocate.md`.
""",
    "es": """\
# Tus primeros pasos

Tienes un archivo de tres líneas: la dirección del servidor (`homeserver`), tu nombre de usuario (`user`) y una
primera contraseña (`password`).

1. Usa un dispositivo de la agencia, no tu propio teléfono. Pon un bloqueo de pantalla, y que la pantalla bloqueada no
   muestre palabras de los mensajes.
2. Abre una aplicación de Matrix, como Element. Cambia el servidor por la dirección de tu archivo, y entra.
3. Cambia la contraseña, en los ajustes de la aplicación. Después destruye el archivo.
4. La aplicación te ofrece una clave de recuperación: hazla, y guárdala donde están tus contraseñas. Sin ella ningún
   otro dispositivo tuyo puede leer nada.
5. Activa la opción de excluir dispositivos inseguros, o de cifrar solo para dispositivos verificados, en los ajustes
   de seguridad.
6. Acepta dos invitaciones: la mesa, donde está todo el equipo, y tu oficina, donde están solo tú y el programa.
7. En la mesa, dile tu huella a alguien de supervisión, en persona o por llamada. Hasta que la confirme (`!trust`) no
   recibes claves y no puedes leer nada.
8. Di `!help`. Con `!lang me es` el programa te habla en español.
9. `!on` cuando empieza tu turno, `!off` cuando termina: solo se llama a quien está de turno. Deja que la aplicación
   avise de las menciones, y pon la mesa en «solo menciones».
10. Practica antes de que escriba alguien real: en una línea de ensayo `!drill` trae a alguien que escribe según un
    guion.

**Lo que escribes en la sala de una conversación llega al teléfono**, palabra por palabra, cuando la conversación es
tuya. `// palabras` se quedan en la sala. Algo va mal: toca 🛑 en cualquier mensaje, o di `!unsafe`. Ya no sale nada.

Las páginas para ti vienen con el programa, en `deploy/docs`: `first-evening.es.md`, `card.es.md`, `advocate.es.md`.
""",
}


EXAMPLE_ADDRESS: Final = "https://text.example.org/carriers/main"


def first_steps(languages: Sequence[str]) -> dict[str, str]:
    """Return the sheets in a line's languages, by file name, the first language first; without one, in English."""
    known = [language for language in languages if language in SHEETS] or ["en"]
    return {FILES[language]: SHEETS[language] for language in known}


EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"


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
