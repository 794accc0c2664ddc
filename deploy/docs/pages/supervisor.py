"""The page for supervisors: their tasks, by situation, and the commands that only they have.

Rule of this module: the commands are those of the table; a situation names the command, and the command's own help has the
details.
"""

from __future__ import annotations

from typing import Final

from bot.commands.help_text import usage
from bot.commands.spec import COMMANDS, Who, help_of
from bot.safety.blocking import DEFAULT_SECONDS
from bot.wording.notice import in_language
from deploy.docs.pages.markdown import GENERATED_NOTICE, cell, duration_text, page, table
from deploy.docs.pages.pictures import picture
from policies.load import load

HEADS: Final = {"en": ("command", "what it does"), "es": ("comando", "qué hace")}
TEXT: Final = {
    "en": {
        "title": "# For supervisors",
        "what": (
            "You do what an advocate does ([advocate.md](advocate.md)), and what stands here. You are a supervisor when"
            " your"
            " power level at the desk is 50; `./quietline staff add` gives it, and so does another supervisor in the desk's"
            " settings. In Spanish: [supervisor.es.md](supervisor.es.md)."
        ),
        "glance": "## At a glance",
        "glance_what": (
            "The pinned board begins with three answers: is anybody in danger, is anybody with nobody, who waits longest."
            " Below stand the threads, those in danger first, then who is here, with how many, and since when if it is"
            " long."
            " `!board` says it once more. It has no word of anybody's."
        ),
        "begin": "## Your shift begins",
        "begin_what": (
            "- `!on`. Read the board, then what is new at the desk since the last shift, from the top.\n"
            "- A thread that waits: somebody claims it, or you do. After {on_duty} people on duty are called again, after"
            " {supervisors} you are, after {on_call} the person on call is, and then all again each time {again} has"
            " passed, until somebody takes it.\n"
            "- A thread whose advocate has not read what was texted: the desk calls you after {on_call}. Ask them, or"
            " `!listen` and `!take`.\n"
            "- Gaps of the coming week are in your office once a day, where there is a calendar of shifts"
            " ([shifts.md](shifts.md)).\n"
            "- New people and new devices: the desk names the fingerprint. Ask the person, in person or by a call, then"
            " `!trust @who fingerprint`. `!devices` says which are not verified."
        ),
        "alarm": "## Somebody calls you",
        "alarm_what": (
            "- `!escalate` or ⚠️ at the desk: accept the invitation. You read from the first word, and what you write is a"
            " note. `!listen` does the same without being asked.\n"
            "- **DURESS**: the word for danger came. The phone saw nothing strange; only `!cover 1`, `2` and `3` leave. The"
            " advocate acts as before. Nobody writes anything else. Speak with the survivor by phone, then `!unlock`.\n"
            "- **UNSAFE** or other hands: nothing leaves, or each word is asked about. `!playbook abuser_on_the_line`. When"
            " somebody knows that it is the texter: `!safe`.\n"
            "- A life is in danger and the number is needed: the advocate says `!reveal` and a reason, you say `!reveal"
            " yes`."
            " Both offices see it for a minute. Whom you call then is the agency's decision, and never the software's.\n"
            "- STOP in the middle of a talk: nothing leaves. If a text comes after it, one `!reply` is allowed, once.\n"
            "- You take over with `!take` only when it must be: the texter hears another person. `!release` gives it back."
        ),
        "after": "## After something hard",
        "after_what": (
            "- The advocate is offered a talk in their office, unasked. Nobody sees whether they take it. You can offer it,"
            " too; `!debrief` is theirs to say.\n"
            "- Long shifts and many threads are on the board so that you can send somebody home. There is no list of who is"
            " faster, and none can be had.\n"
            "- `!block` ends an abuse of the line for {block}, not for ever. What is dropped is counted.\n"
            "- `!close now` ends a conversation at once and for good: the room goes, also from open apps. `!hold` is the"
            " opposite, and is counsel's word to give ([counsel.md](counsel.md))."
        ),
        "flood": "## Too many at once",
        "flood_what": (
            "From {flood} new texters within a minute one card stands for all; nobody is lost. `!claim` takes those with a"
            " sign of danger first, then the longest waiting. `!close-rest` closes what is left unread, and asks before it"
            " does. When texts do not work: `!outage`, and `!outage over`."
        ),
        "lost": "## A device is lost, or somebody leaves",
        "lost_what": (
            "`!signout @who`, at once. Then remove them from the desk (`./quietline staff remove`, or in the room's"
            " settings)."
            " More in [breach.md](breach.md). What the technician is asked for is in [disasters.md](disasters.md)."
        ),
        "month": "## Once a month",
        "month_what": (
            "`./quietline report --html FILE` makes one page for the director: waits, languages, what was asked for and not"
            " had. Counts below five are not shown, and cannot be worked out from the others. `./quietline practices` says"
            " which of the 41 practices the line meets. Play a drill with new people ([drills.md](drills.md))."
        ),
        "only": "## What only supervisors may do",
    },
    "es": {
        "title": "# Para supervisión",
        "what": (
            "Haces lo que hace quien atiende ([advocate.es.md](advocate.es.md)), y lo que está aquí. Eres de"
            " supervisión cuando"
            " tu nivel de poder en la mesa es 50; lo da `./quietline staff add`, y también otra persona de supervisión"
            " en los"
            " ajustes de la mesa. En inglés: [supervisor.md](supervisor.md)."
        ),
        "glance": "## De un vistazo",
        "glance_what": (
            "El tablero fijado empieza con tres respuestas: si alguien está en peligro, si alguien está sin nadie,"
            " quién espera"
            " más. Debajo están las conversaciones, primero las de peligro, y después quién está, con cuántas, y desde"
            " cuándo"
            " si es mucho. `!board` lo dice otra vez. No contiene ni una palabra de nadie."
        ),
        "begin": "## Empieza tu turno",
        "begin_what": (
            "- `!on`. Lee el tablero, y después lo nuevo de la mesa desde el último turno, desde arriba.\n"
            "- Una conversación que espera: alguien la toma, o la tomas tú. A los {on_duty} se llama otra vez a quienes"
            " están"
            " de turno, a los {supervisors} a ti, a los {on_call} a quien está de guardia, y después a todas otra vez cada"
            " vez que pasa {again}, hasta que alguien la tome.\n"
            "- Una conversación en la que quien atiende no ha leído lo que llegó: la mesa te llama a los {on_call}."
            " Pregúntale, o `!listen` y `!take`.\n"
            "- Los huecos de la semana que viene están en tu oficina una vez al día, si hay un calendario de turnos"
            " ([shifts.es.md](shifts.es.md)).\n"
            "- Personas y dispositivos nuevos: la mesa dice la huella. Pregunta a la persona, en persona o por llamada, y"
            " después `!trust @who huella`. `!devices` dice cuáles no están verificados."
        ),
        "alarm": "## Alguien te llama",
        "alarm_what": (
            "- `!escalate` o ⚠️ en la mesa: acepta la invitación. Lees desde la primera palabra, y lo que escribes es una"
            " nota. `!listen` hace lo mismo sin que te lo pidan.\n"
            "- **COACCIÓN**: llegó la palabra de peligro. En el teléfono no se notó nada; solo salen `!cover 1`, `2` y `3`."
            " Quien atiende actúa igual que antes. Nadie escribe otra cosa. Habla con la persona por llamada, y después"
            " `!unlock`.\n"
            "- **NO SEGURO** u otras manos: no sale nada, o se pregunta por cada palabra. `!playbook abuser_on_the_line`."
            " Cuando se sabe que es la persona: `!safe`.\n"
            "- Hay una vida en peligro y hace falta el número: quien atiende dice `!reveal` y un motivo, tú dices"
            " `!reveal yes`. Las dos oficinas lo ven un minuto. A quién se llama entonces lo decide la agencia, y nunca el"
            " programa.\n"
            "- STOP en medio de una conversación: no sale nada. Si después llega un texto, se permite un `!reply`, una"
            " vez.\n"
            "- Toma la conversación con `!take` solo si es necesario: la persona oye a otra. `!release` la devuelve."
        ),
        "after": "## Después de algo duro",
        "after_what": (
            "- A quien atiende se le ofrece hablar en su oficina, sin pedirlo. Nadie ve si lo acepta. Tú también puedes"
            " ofrecerlo; `!debrief` le toca decirlo a la otra persona.\n"
            "- Los turnos largos y las muchas conversaciones están en el tablero para que puedas mandar a alguien a"
            " casa. No"
            " hay una lista de quién es más rápido, y no se puede tener.\n"
            "- `!block` termina un abuso de la línea por {block}, no para siempre. Lo que se descarta se cuenta.\n"
            "- `!close now` termina una conversación enseguida y del todo: la sala se va, también de las aplicaciones"
            " abiertas."
            " `!hold` es lo contrario, y lo decide la asesoría legal ([counsel.es.md](counsel.es.md))."
        ),
        "flood": "## Demasiadas a la vez",
        "flood_what": (
            "Desde {flood} personas nuevas en un minuto, una sola tarjeta vale por todas; nadie se pierde. `!claim` toma"
            " primero a quienes muestran una señal de peligro, y después a quien espera más. `!close-rest` cierra lo"
            " que queda"
            " sin leer, y pregunta antes. Cuando los textos no funcionan: `!outage`, y `!outage over`."
        ),
        "lost": "## Se pierde un dispositivo, o alguien se va",
        "lost_what": (
            "`!signout @who`, enseguida. Después quita a la persona de la mesa (`./quietline staff remove`, o en los"
            " ajustes de"
            " la sala). Más en [breach.es.md](breach.es.md). Lo que se le pide a la parte técnica está en"
            " [disasters.md](disasters.md), en inglés."
        ),
        "month": "## Una vez al mes",
        "month_what": (
            "`./quietline report --html FILE --language es` hace una página para la dirección: esperas, idiomas, lo que se"
            " pidió y no hubo. Las cuentas de menos de cinco no se muestran, ni se pueden deducir de las demás."
            " `./quietline practices` dice cuáles de las 41 prácticas cumple la línea. Haz un ejercicio con la gente nueva"
            " ([drills.es.md](drills.es.md))."
        ),
        "only": "## Lo que solo puede supervisión",
    },
}


def supervisor_page(language: str) -> str:
    """Return the page, in a language of the pages."""
    settings, words = load(["base"]).settings, TEXT[language]
    values = {
        "on_duty": duration_text(settings.unclaimed_on_duty, language),
        "supervisors": duration_text(settings.unclaimed_supervisors, language),
        "on_call": duration_text(settings.unclaimed_on_call, language),
        "again": duration_text(settings.unclaimed_again, language),
        "block": duration_text(DEFAULT_SECONDS, language),
        "flood": settings.flood_begins,
    }
    rows = [
        f"| `{cell(in_language(usage(command.name), language))}` | {in_language(help_of(command.name), language)} |"
        for command in COMMANDS
        if command.who is Who.SUPERVISOR
    ]
    parts = ("begin", "alarm", "after", "flood", "lost", "month")
    return page(
        [
            GENERATED_NOTICE,
            *(words["title"], words["what"], words["glance"], words["glance_what"], picture("board", "phone", language)),
            *(
                part
                for name in parts
                for part in (
                    words[name],
                    words[f"{name}_what"].format_map(values),
                    *([picture("report", "desktop", language)] if name == "month" else []),
                )
            ),
            words["only"],
            table(HEADS[language], rows),
        ]
    )
