"""The page for counsel: which data exist, for how long, what a legal demand can reach, and what the agency has to decide.

Rules of this module: times are those of the base pack and steps those of its playbook, so the page says what the software
does; what only counsel can know is a question on the page.
"""

from __future__ import annotations

from typing import Final

from bot.lifecycle.legal_hold import SUBPOENA
from deploy.docs.pages.markdown import GENERATED_NOTICE, duration_text, page, table
from policies.load import load
from policies.pack import Pack, TextName

LEGAL_TEXTS: Final = (TextName.LIMITS, TextName.RIGHTS, TextName.DEVICE, TextName.STOP)
"""Texts that a line in service sends only in reviewed words; a test compares them with the pack."""
NAMES: Final = {
    "en": {
        TextName.LIMITS: "limits",
        TextName.RIGHTS: "rights",
        TextName.DEVICE: "who else may see texts",
        TextName.STOP: "after a STOP",
    },
    "es": {
        TextName.LIMITS: "límites",
        TextName.RIGHTS: "derechos",
        TextName.DEVICE: "quién más puede ver los textos",
        TextName.STOP: "después de un STOP",
    },
}
EXISTS: Final = {
    "en": (
        (
            "the words of a conversation",
            "rooms of the agency's own server, encrypted",
            "{ttl} after they were read or answered",
        ),
        (
            "the conversation, once it is over",
            "nowhere",
            "emptied after the {undo} in which a close can be taken back; the empty room goes within {client_grace}",
        ),
        (
            "number, language, what was agreed",
            "sealed on the agency's machine",
            "{grace} after the end; {continuing} where the texter chose it",
        ),
        ("an agreed word", "as a digest; the word itself is nowhere", "as the number"),
        ("that a phone said STOP", "as a keyed hash; nobody reads a number out of it", "{suppression}"),
        ("the audit", "kinds of acts, by the hour; no words, no names, no numbers", "{audit}"),
        ("certificates of what was erased", "signed, without content", "{receipts}"),
        ("counts for funders", "by month, language and kind; below five not shown", "until the agency deletes them"),
        (
            "backups",
            "configuration, keys of the line, who said STOP, staff; no conversation",
            "as many as the agency keeps",
        ),
    ),
    "es": (
        (
            "las palabras de una conversación",
            "salas del servidor propio de la agencia, cifradas",
            "{ttl} después de leerlas o responderlas",
        ),
        (
            "la conversación, cuando terminó",
            "en ningún lugar",
            "se vacía tras los {undo} en que se puede retirar un cierre; la sala vacía se va en {client_grace}",
        ),
        (
            "número, idioma, lo acordado",
            "sellado en la máquina de la agencia",
            "{grace} después del final; {continuing} si la persona lo eligió",
        ),
        ("una palabra acordada", "como resumen cifrado; la palabra no está en ningún lugar", "como el número"),
        ("que un teléfono dijo STOP", "como resumen con clave; de él no se lee un número", "{suppression}"),
        ("la auditoría", "clases de actos, por hora; sin palabras, nombres ni números", "{audit}"),
        ("certificados de lo que se borró", "firmados, sin contenido", "{receipts}"),
        (
            "cuentas para quienes financian",
            "por mes, idioma y clase; menos de cinco no se muestra",
            "hasta que la agencia las borre",
        ),
        (
            "copias de seguridad",
            "configuración, claves de la línea, quién dijo STOP, equipo; ninguna conversación",
            "tantas como guarde la agencia",
        ),
    ),
}
HEADS: Final = {
    "en": (("what", "where and how", "how long"), ("text", "English", "Spanish")),
    "es": (("qué", "dónde y cómo", "cuánto tiempo"), ("texto", "inglés", "español")),
}
TEXT: Final = {
    "en": {
        "title": "# For counsel",
        "what": (
            "What the line keeps, what a paper can reach, and what the agency has to decide before the first text."
            " Times are"
            " those that a line begins with; the agency's own pack may change them, and `./quietline privacy` prints"
            " the page"
            " for the public with the agency's own. In Spanish: [counsel.es.md](counsel.es.md). This page is no legal"
            " advice."
        ),
        "exists": "## What exists, where, for how long",
        "beyond": (
            "Beyond the agency's reach: the phone companies' records, the texter's phone and its copies, and what the"
            " carrier"
            " keeps. `./quietline exposure` says of each carrier what it keeps and what nobody could confirm. A member of"
            " staff may have photographed a screen. A staff device that is switched off"
            " keeps what it had: until it hears of the end, if it is on again within {client_grace}; else at least until it"
            " is signed out."
        ),
        "paper": "## A paper arrives",
        "paper_what": (
            "Staff see these steps when they say `!subpoena`, at the desk or in a room. They are the agency's own words"
            " where"
            " its pack has its own."
        ),
        "hold": "## A hold, and a look-up",
        "hold_what": (
            "- `!hold`, by a supervisor in the room, stops every deletion of that conversation at once, whatever its"
            " age. The"
            " card and the board show it, and the audit notes it. `!unhold` lifts it. What had ended before is gone.\n"
            "- `./quietline lookup` asks for a number, where it leaves no trace, and answers with one word: open, held or"
            " nothing. `--hold` and `--unhold` reach also what is over and has no room. Each question is in the audit.\n"
            "- There is no export, no search by words, and no list of numbers. What is still readable is read on a"
            " screen by"
            " people who may.\n"
            "- `!reveal` shows a number to two people for a minute, with a reason, when a life is in danger. It is in the"
            " audit. The agency decides whether one person alone may do it (`break_glass`)."
        ),
        "prove": "## What can be shown afterwards",
        "prove_what": (
            "- That the limits were told: the audit notes `limits` when the agency's text left and"
            " `told_limits` when an advocate says that they told them, by the hour (`!audit`, `./quietline audit`)."
            " `failed_limits` behind `limits`: the carrier gave that text up afterwards.\n"
            "- That something was erased, and was looked for afterwards: `./quietline erasure verify`.\n"
            "- Which of the 41 practices this configuration meets: `./quietline practices`.\n"
            "- None of these names a texter, a phone or a member of staff."
        ),
        "words": "## Words that counsel has to read",
        "words_what": (
            "A line in service does not start before these were reviewed, in every language, with a name and a date. A"
            " later"
            " change makes them unreviewed again."
        ),
        "decide": "## To decide, and to write down",
        "decide_what": (
            "1. Who must report what, to whom, and whether a text line is told apart (the base pack speaks of children;"
            " states"
            " differ).\n"
            "2. Which privilege covers whom here: advocates, volunteers, interpreters, supervisors.\n"
            "3. Who is called when a paper comes at night, and who may put a hold.\n"
            "4. Whether a break-glass `!reveal` is allowed, and for whom.\n"
            "5. The contract with the carrier: what it keeps, for how long, and whom it tells first"
            " ([vendor.md](vendor.md)).\n"
            "6. Who tells the grant's manager of a breach within 24 hours ([breach.md](breach.md)).\n"
            "7. Staff's own phones: what is agreed about them in a search, a lawsuit, a theft."
        ),
    },
    "es": {
        "title": "# Para la asesoría legal",
        "what": (
            "Qué guarda la línea, a qué llega un papel, y qué tiene que decidir la agencia antes del primer texto. Los"
            " tiempos"
            " son los de una línea nueva; el paquete de la agencia los puede cambiar, y `./quietline privacy"
            " --language es` imprime la página"
            " pública con los suyos. En inglés: [counsel.md](counsel.md). Esta página no es asesoría legal."
        ),
        "exists": "## Qué existe, dónde, cuánto tiempo",
        "beyond": (
            "Fuera del alcance de la agencia: los registros de las compañías telefónicas, el teléfono de la persona y sus"
            " copias, y lo que guarda la operadora. `./quietline exposure` dice de cada operadora qué guarda y qué"
            " nadie pudo"
            " confirmar. Alguien del equipo puede haber fotografiado una pantalla. Un dispositivo del equipo"
            " que está apagado conserva lo que tenía: hasta que se entera del final, si se enciende en {client_grace}; si"
            " no, al menos hasta que se cierra su sesión."
        ),
        "paper": "## Llega un papel",
        "paper_what": (
            "El equipo ve estos pasos cuando dice `!subpoena`, en la mesa o en una sala. Son las palabras de la agencia"
            " donde"
            " su paquete tiene las suyas."
        ),
        "hold": "## Una retención, y una consulta",
        "hold_what": (
            "- `!hold`, dicho por supervisión en la sala, detiene enseguida todo borrado de esa conversación, tenga la edad"
            " que tenga. La tarjeta y el tablero lo muestran, y la auditoría lo anota. `!unhold` la levanta. Lo que había"
            " terminado antes ya no está.\n"
            "- `./quietline lookup` pide un número, donde no deja rastro, y responde con una palabra: open, held o nothing"
            " (abierto, retenido, nada). `--hold` y `--unhold` llegan también a lo que terminó y no tiene sala. Cada"
            " pregunta"
            " queda en la auditoría.\n"
            "- No hay exportación, ni búsqueda por palabras, ni lista de números. Lo que todavía se puede leer lo leen en"
            " pantalla quienes tienen permiso.\n"
            "- `!reveal` muestra un número a dos personas durante un minuto, con un motivo, cuando hay una vida en peligro."
            " Queda en la auditoría. La agencia decide si una sola persona puede hacerlo (`break_glass`)."
        ),
        "prove": "## Qué se puede mostrar después",
        "prove_what": (
            "- Que se dijeron los límites: la auditoría anota `limits` cuando salió el texto de la"
            " agencia y"
            " `told_limits` cuando quien atiende dice que los explicó, por hora (`!audit`, `./quietline audit`)."
            " `failed_limits` después de `limits`: la operadora no entregó ese texto.\n"
            "- Que algo se borró, y que después se buscó: `./quietline erasure verify`.\n"
            "- Cuáles de las 41 prácticas cumple esta configuración: `./quietline practices`.\n"
            "- Nada de esto nombra a quien escribe, ni un teléfono, ni a nadie del equipo."
        ),
        "words": "## Palabras que la asesoría legal tiene que leer",
        "words_what": (
            "Una línea en servicio no arranca antes de que se hayan revisado, en cada idioma, con nombre y fecha. Un cambio"
            " posterior las deja otra vez sin revisar."
        ),
        "decide": "## Para decidir, y dejar por escrito",
        "decide_what": (
            "1. Quién tiene que reportar qué, a quién, y si una línea de textos es distinta (el paquete base habla de"
            " menores;"
            " los estados varían).\n"
            "2. Qué secreto profesional cubre aquí a quién: quienes atienden, voluntariado, intérpretes, supervisión.\n"
            "3. A quién se llama cuando llega un papel de noche, y quién puede poner una retención.\n"
            "4. Si se permite un `!reveal` sin segunda persona, y a quién.\n"
            "5. El contrato con la operadora: qué guarda, cuánto tiempo, y a quién avisa primero"
            " ([vendor.md](vendor.md), en"
            " inglés).\n"
            "6. Quién avisa de una filtración a quien administra la subvención en 24 horas"
            " ([breach.es.md](breach.es.md)).\n"
            "7. Los teléfonos propios del equipo: qué se acuerda para un registro, un juicio, un robo."
        ),
    },
}


def counsel_page(language: str) -> str:
    """Return the page, in a language of the pages."""
    pack, words = load(["base"]), TEXT[language]
    settings = pack.settings
    lengths = {
        "ttl": settings.message_ttl,
        "undo": settings.close_undo,
        "grace": settings.grace,
        "continuing": settings.continuing,
        "suppression": settings.suppression_ttl,
        "audit": settings.audit_retention,
        "receipts": settings.receipt_retention,
        "client_grace": settings.client_grace,
    }
    values = {name: duration_text(seconds, language) for name, seconds in lengths.items()}
    rows = ["| " + " | ".join(row).format_map(values) + " |" for row in EXISTS[language]]
    return page(
        [
            GENERATED_NOTICE,
            *(words["title"], words["what"], words["exists"]),
            table(HEADS[language][0], rows),
            words["beyond"].format_map(values),
            *(words["paper"], words["paper_what"]),
            "\n".join(f"{number}. {step}" for number, step in enumerate(_steps(pack, language), 1)),
            *(words["hold"], words["hold_what"], words["prove"], words["prove_what"]),
            *(words["words"], words["words_what"]),
            table(HEADS[language][1], [_wording(pack, name, language) for name in LEGAL_TEXTS]),
            *(words["decide"], words["decide_what"]),
        ]
    )


def _steps(pack: Pack, language: str) -> tuple[str, ...]:
    """Return the steps of the playbook that `!subpoena` opens."""
    return pack.playbooks[SUBPOENA].steps if language == "en" else pack.playbooks[SUBPOENA].translations[language].steps


def _wording(pack: Pack, name: TextName, language: str) -> str:
    return f"| {NAMES[language][name]} | {pack.say(name, 'en')} | {pack.say(name, 'es')} |"
