"""The card of eight lines: an advocate's steps, by situation.

Rule of this module: a line begins with its situation, and its first command is the one to type then. A test plays a drill
from the printed lines alone (`tests/deploy/docs/pages/test_card.py`), so a misleading line fails there.
"""

from __future__ import annotations

from typing import Final

from bot.display.queue_cards import CLAIM_REACTION
from bot.safety.unsafe_phone import STOP_REACTION
from deploy.docs.pages.markdown import GENERATED_NOTICE, duration_text, page
from policies.load import load

LINES: Final = {
    "en": (
        (
            "Someone waits.",
            "`!claim` at the desk, or tap {claim} on the card. In its room, what you write goes to the phone.",
        ),
        ("Wrong words?", "Delete your message within {undo}: it does not leave. Edit it, and the new words leave."),
        ("For a colleague.", "`// words` stay in the room. The phone does not get them."),
        ("Before anything hard is told.", "`!limits` says what you may have to report."),
        ("You do not know who reads along.", "`!safecheck` asks whether it is a good time."),
        ("Someone else has the phone.", "`!unsafe`, or tap {stop} on any message: nothing leaves any more."),
        ("You need help.", "`!escalate` calls the supervisors on duty into the room."),
        (
            "Your shift ends.",
            "`!transfer @who` offers it; it is theirs once they say `!accept`. At the very end, `!close`.",
        ),
    ),
    "es": (
        (
            "Alguien espera.",
            "`!claim` en la mesa, o toca {claim} en la tarjeta. En su sala, lo que escribes llega al teléfono.",
        ),
        ("¿Palabras equivocadas?", "Borra tu mensaje en {undo}: no sale. Edítalo, y salen las palabras nuevas."),
        ("Para alguien del equipo.", "`// palabras` se quedan en la sala. El teléfono no las recibe."),
        ("Antes de que cuente algo difícil.", "`!limits` dice lo que quizá tengas que reportar."),
        ("No sabes quién más lee.", "`!safecheck` pregunta si es buen momento."),
        ("Otra persona tiene el teléfono.", "`!unsafe`, o toca {stop} en cualquier mensaje: ya no sale nada."),
        ("Necesitas ayuda.", "`!escalate` llama a la sala a supervisión de turno."),
        ("Termina tu turno.", "`!transfer @who` la ofrece; es suya cuando dice `!accept`. Al final de todo, `!close`."),
    ),
}
HEAD: Final = {
    "en": ("# The card", "Eight lines to print and to have beside the screen. The rest is on [your page](advocate.md)."),
    "es": (
        "# La tarjeta",
        "Ocho líneas para imprimir y tener junto a la pantalla. Lo demás está en [tu página](advocate.es.md).",
    ),
}


def card_page(language: str) -> str:
    """Return the card, in a language of the pages."""
    undo = duration_text(load(["base"]).settings.undo_seconds, language)
    lines = [
        f"{number}. **{moment}** {words.format(claim=CLAIM_REACTION, stop=STOP_REACTION, undo=undo)}"
        for number, (moment, words) in enumerate(LINES[language], 1)
    ]
    return page([GENERATED_NOTICE, *HEAD[language], "\n".join(lines)])
