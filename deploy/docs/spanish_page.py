"""The pages in Spanish: the same facts, in the same order, as `generate.commands_page` and `generate.advocate_page`."""

from __future__ import annotations

from typing import Final

from bot.commands.help_text import by_heading, usage
from bot.commands.parser import ANSWER_TTL, COMMANDS_BY_NAME
from bot.commands.spec import CARD, Who, help_of
from bot.display.queue_cards import CLAIM_REACTION
from bot.model.actions import DESK, OFFICE, THREAD, DeliveryReceipt
from bot.safety.unsafe_phone import STOP_REACTION
from bot.staffing.claim_queue import NEXT_SECONDS
from bot.staffing.transfer import NO, YES
from bot.wording.notice import in_language, words_of
from deploy.docs.pages.markdown import GENERATED_NOTICE, cell, page, table
from policies.load import load

SPANISH: Final = "es"
TITLES: Final = (
    (DESK, "En la mesa", "donde están todas las personas de la línea: quién espera, quién habla con quién, qué va mal"),
    (THREAD, "En la sala de una conversación", "donde está una sola conversación"),
    (OFFICE, "En tu oficina", "donde están solo tú y el programa"),
)
WHO: Final = {
    Who.ANYBODY: "cualquiera",
    Who.ASSIGNEE: "quien atiende",
    Who.ASSIGNEE_OR_SUPERVISOR: "quien atiende, supervisión",
    Who.SUPERVISOR: "supervisión",
}
PLACES: Final = {DESK: "mesa", THREAD: "sala", OFFICE: "oficina"}
MARK_MEANINGS: Final = {
    DeliveryReceipt.NOTE: "una nota: el teléfono no la recibe",
    DeliveryReceipt.LEAVING: "en espera de salir, o en camino",
    DeliveryReceipt.SENT: "la operadora lo tomó",
    DeliveryReceipt.DELIVERED: "está en el teléfono",
    DeliveryReceipt.NOT_SENT: "el teléfono no lo recibe; la respuesta de abajo dice por qué",
    DeliveryReceipt.UNKNOWN: "puede estar o no en el teléfono; `!again` lo envía una vez más",
    DeliveryReceipt.HELD: "en pausa: espera una palabra más de ti; la respuesta de abajo dice cuál",
    DeliveryReceipt.RETRACTED: "se retiró, o se detuvo, a tiempo",
}
REACTIONS: Final = (
    (CLAIM_REACTION, "en una tarjeta que espera en la mesa, o en un recordatorio de ella: la conversación es tuya"),
    (YES, "en una oferta en una sala: tomas la conversación"),
    (NO, "en una oferta en una sala: no la tomas"),
    (STOP_REACTION, "en cualquier mensaje de una sala: `!unsafe`, desde cualquier dispositivo de quien esté en ella"),
)


def commands_page() -> str:
    """Return the page of all commands in Spanish, by place."""
    parts = [
        GENERATED_NOTICE,
        "# Comandos",
        (
            "Un comando es un mensaje que empieza con `!`. Nunca se envía a un teléfono. Lo que va detrás es un motivo, y"
            " se queda en la sala; es el texto solo detrás de `!say name:` y de `!reply`. No importan las mayúsculas, los"
            " espacios, el ancho de las letras ni la puntuación de detrás; lo que se parece a `!unsafe` detiene el"
            " teléfono, y cualquier otro parecido solo se sugiere; lo que va entre corchetes puede faltar; `@who` es una"
            " mención, un id completo de Matrix, o un nombre, con o sin `@`, que solo una persona tiene. Las respuestas en"
            f" una oficina desaparecen después de {duration(ANSWER_TTL)}. Los comandos se llaman igual en los dos idiomas"
            " ([esta página en inglés](commands.md))."
        ),
    ]
    for place, title, what in TITLES:
        parts += [f"## {title}", f"{what[0].upper()}{what[1:]}."]
        for heading, commands in by_heading(place):
            rows = [
                f"| `{cell(in_language(usage(c), SPANISH))}` | {WHO[COMMANDS_BY_NAME[c].who]} |"
                f" {in_language(help_of(c), SPANISH)}"
                f"{' **·** en cada tarjeta' if c in CARD else ''} |"
                for c in commands
            ]
            parts += [f"### {words_of(heading, SPANISH)}", table(("comando", "quién", "qué hace"), rows)]
    return page(parts)


def mark_of(receipt: DeliveryReceipt) -> str:
    """Return a mark as a reader of Spanish sees it on a message."""
    return words_of(f"mark.{receipt.name.lower()}", SPANISH)


def advocate_page() -> str:
    """Return the advocate's page in Spanish, one sheet to print."""
    s = load(["base"]).settings
    card = [
        f"| `{cell(in_language(usage(c), SPANISH))}` | {', '.join(PLACES[place] for place in COMMANDS_BY_NAME[c].places)} |"
        f" {in_language(help_of(c), SPANISH)} |"
        for c in CARD
    ]
    parts = [
        GENERATED_NOTICE,
        "# Tu página",
        (
            "Todo lo que escribes en la sala de una conversación cuando la *atiendes* llega al teléfono, palabra por"
            " palabra. La"
            " atiendes cuando la tomaste, de la cola o de otra persona. Todas las demás personas de la sala leen y"
            " escriben"
            " notas. El programa te habla en español después de `!lang me es`, en cualquier lugar."
        ),
        "## Los comandos de cada tarjeta",
        table(("comando", "dónde", "qué hace"), card),
        (
            f"`!claim` cuando nadie espera: quien llegue en los próximos {int(NEXT_SECONDS)} segundos es tuyo."
            " `!more` muestra"
            " todos los comandos, `!help` lo que más se busca, con las guías de pasos. Un comando es un mensaje"
            " propio, o una"
            " respuesta; al cambiar un mensaje, o en un hilo, no hace nada y lo dice; solo `!unsafe` se toma de"
            " todas las formas."
        ),
        "## Qué hace un toque",
        table(("toque", "dónde, y qué pasa"), [f"| {key} | {what} |" for key, what in REACTIONS]),
        (
            "Un toque nunca envía nada a un teléfono y nunca cambia en quién se confía."
            f" Una oferta vale {duration(s.offer_stands)}. Suena solo un mensaje que te nombra, y solo se nombra a"
            " quien está de"
            " turno (`!off`); tarjetas, respuestas y tablero no suenan. Pon la mesa en «solo menciones» en tu"
            " aplicación, para"
            " que las llamadas a otras personas no suenen. A solas de noche: sin supervisión de turno la sala lo"
            " dice, y"
            " `!escalate`, `!reveal`, las palabras fallidas y una palabra de coacción"
            " avisan a quien está de guardia. `!reveal yes` se dice"
            " en la sala,"
            " en la mesa o como respuesta al aviso de allí; si entonces puede decirlo otra persona que atiende lo"
            " elige la"
            " agencia (`break_glass`)."
        ),
        "## Qué dicen las marcas de tus mensajes",
        table(("marca", "qué significa"), [f"| {mark_of(mark)} | {MARK_MEANINGS[mark]} |" for mark in DeliveryReceipt]),
        "Una marca a la vez, la más nueva. Sin marca todavía: aquí no se ha leído.",
        "## Retirar palabras",
        (
            f"Un mensaje espera {s.undo_seconds} segundos antes de salir; {s.undo_after_switch_seconds} si el último"
            " tuyo fue en"
            f" otra sala; {s.undo_after_join_seconds} en los {duration(s.undo_after_join_window)} después de que"
            " alguien entre."
            " Hasta entonces: bórralo y no sale, edítalo y salen las palabras nuevas. Después, ni lo uno ni lo otro"
            " cambia nada"
            f" en el teléfono. Las palabras que no pudieron salir durante {duration(s.late_after_seconds)} quedan en"
            " pausa, y se"
            " te pregunta."
        ),
        "## Lo que nunca se envía",
        (
            "Empieza con `//` o `!note` para escribir una nota. También son notas: respuestas a cualquiera que no"
            " sea la persona"
            " que escribe, todo en un hilo de Matrix, todo lo que mencione a alguien del equipo, fotos y archivos,"
            " lo que se dice"
            " con `/me`. Lo que citas no sale: deja una línea vacía después de la cita. En pausa hasta que lo digas:"
            " números de"
            " teléfono, direcciones, palabras que tu aplicación muestra distintas de como las escribiste"
            " (`!anyway`), más de"
            f" {s.segments_without_long} textos a la vez (`!long`). Di esa palabra como respuesta a tu mensaje, o a"
            " la respuesta"
            " que la pide; sola, es sobre tu último mensaje.\n\n"
            "También en pausa, los textos de la agencia incluidos, cuando el teléfono no los espera: su último texto"
            " es de hace"
            f" más de {duration(s.hold_after_silence)} ({duration(s.hold_never_answered)} mientras nadie respondió),"
            " o"
            f" {duration(s.hold_first_no)} si pidió que no le escribamos primero, o fuera de sus horas seguras; se"
            " fue con una"
            " palabra silenciosa; puede haber pedido que no enviemos más textos, o quizás tenga que cortar, lo que"
            " detiene también lo que espera; la línea"
            " le dijo que no escribimos primero. Y cuando puede no ser para el teléfono: el nombre de alguien del"
            " equipo, de su cuenta o el que muestra en la mesa,"
            " lo que parece dicho a alguien del equipo («está mintiendo»), un comando sin su"
            " `!`, un comando o una línea con `//`"
            f" dentro de un mensaje, palabras junto a un `!transfer` o en los {duration(s.hold_after_offer)} después"
            " de que"
            f" terminó, palabras sobre «ella» en los {duration(s.hold_after_colleague)} después de una nota del"
            " equipo. La"
            " respuesta de abajo dice por qué. Si lo tienes claro, `!anyway`: para ese mensaje, una vez.\n\n"
            "Un motivo detrás de un comando se queda en la sala: `!escalate está afuera`. Un comando que envía un"
            " texto no lleva"
            " palabras: con palabras detrás no se envía nada. Con tus palabras: `!say limits: tus palabras`, o edita"
            " el comando,"
            " mientras espera, a las palabras que deben salir. `!different` no lleva ninguna. Tus palabras no se"
            " anotan como los"
            " límites: cuando los hayas dicho, `!told limits`."
        ),
        "## Cuando otra persona puede tener el teléfono",
        (
            "`!unsafe` detiene todo menos `!cover 1`, `2` y `3`. `!different` da un paso atrás con un texto que no"
            " nombra a"
            " nadie, y después de `!unsafe` sin ninguno; el próximo texto de ese teléfono llega como una"
            " conversación propia. Su"
            " tarjeta, la de la mesa y el tablero dicen ⚠️ otras manos y desde cuándo, también después de un texto"
            " como «quién"
            " es»: entonces nada se responde solo, y tus primeras palabras quedan en pausa (`!anyway`). Cuando sepas"
            " que es la"
            " persona, `!safe`."
        ),
        "## Señales e idiomas",
        (
            "Algunos textos traen una línea a la sala: peligro ahora, hablar de morir, asfixia, un arma, otra"
            " persona en el"
            " teléfono, alguien que tiene que cortar. Es una suposición por listas de frases; nombra la guía de"
            " pasos. Tus"
            " palabras que esperan salir se detienen con las dos últimas (`!anyway`). En la mesa, ⚠️ en una tarjeta"
            " o en el"
            " tablero es una señal así, y la conversación va primero. Que no haya señal no quiere decir que no haya"
            " peligro."
            " [Cuántas veces acierta](signs.es.md). A quien escribe primero en español se le saluda en español. `es` en"
            " una"
            " tarjeta: los textos de la agencia salen en español para ese teléfono. `!lang` lo cambia; lo que"
            " escribes tú nadie lo"
            " traduce. En la mesa, `!languages es` dice qué hablas, y el tablero lo muestra. `!lang me es` es para"
            " ti: en qué"
            " idioma te habla el programa. La mesa y el tablero siguen en el idioma de la línea (`staff_language`);"
            " lo que llama"
            " por un peligro se dice allí en los dos."
        ),
        "## Una palabra acordada",
        (
            "Para quien teme que alguien le quite el teléfono. Acuerden una palabra en persona o por llamada, nunca"
            " por texto, y"
            " una segunda, la palabra de coacción, para cuando alguien le obligue a escribir. `!codeword`, sin nada"
            " detrás: se te"
            " pregunta en tu oficina, donde las dos se borran. Una palabra se reconoce sola o entre otras, no con"
            " letras añadidas,"
            " ni partida en dos textos; solo en ese teléfono, y mientras se guarda su número"
            f" ({duration(s.grace)} tras el final, {duration(s.continuing)} con `!continue`): díselo."
            " Nadie la vuelve a ver; una vez que llegó por texto está gastada. La oficina"
            " también"
            " muestra con qué frase pregunta `!verify`, y las líneas de cobertura: la persona las tiene que oír de"
            " ti.\n\n"
            f"`!verify`, en los {duration(s.challenge_window)} después de un texto, la pide con una pregunta"
            " inofensiva. Tras la"
            " palabra de coacción el teléfono ve lo mismo que tras la correcta, y tú actúas igual que antes: lo que"
            " escribes queda"
            " en pausa aquí, `!cover 1`, `2` y `3` salen, y se avisa a supervisión de turno y a quien está de"
            " guardia. Solo el `!unlock` de supervisión"
            " lo termina,"
            " después de hablar con la persona por llamada; entonces `!again` envía lo que quedó en pausa, si"
            " todavía conviene."
        ),
        "## Antes de empezar, una vez",
        (
            "- Un bloqueo de la aplicación en este dispositivo, y notificaciones sin su contenido.\n"
            "- Tu dispositivo verificado; supervisión confirmó tu identidad (`!trust`).\n"
            "- Un dispositivo nuevo: lo que no puede leer después de un minuto, lo lee cuando se cierra y se abre"
            " otra vez la"
            " aplicación, o después de `!recap`.\n"
            "- Un dispositivo perdido: avisa enseguida a supervisión (`!signout`). Para practicar en una línea de ensayo:"
            " `!drill` ([ejercicios](drills.es.md)). Las primeras veces se explican en tu oficina (`!quiet`)."
        ),
    ]
    return page(parts)


def duration(seconds: float) -> str:
    """Return a duration in words: in whole minutes, or in seconds below one minute."""
    if seconds < 60:
        return f"{int(seconds)} segundos"
    return "un minuto" if seconds < 120 else f"{int(seconds // 60)} minutos"
