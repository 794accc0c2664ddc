"""An advocate's first evening, as a story: one drill from the first word to the debrief, with all inputs and outputs.

Rules of this module: the texter's words are those of the drill's script, every output is a notice or a text of the base
pack, and every input has the effect that the story describes. A test plays the drill from the printed page, line by line
(`tests/deploy/docs/pages/test_first_evening.py`), so the story is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import Final

from bot.wording.notice import words_of
from deploy.docs.pages.markdown import GENERATED_NOTICE, duration_text, page
from deploy.docs.pages.pictures import picture
from policies.drills.load import load_drills
from policies.drills.script import Text, in_words
from policies.load import load
from policies.pack import Pack, TextName

DRILL: Final = "phone-taken"


@unique
class ShownLine(Enum):
    """The kind of a line of the story."""

    TEXT = "text"
    """The texter's next text, from the script."""
    TYPE = "type"
    """The advocate's input: at the desk before the thread is theirs, then in its room."""
    DELETE = "delete"
    """The advocate deletes their last message before it leaves."""
    SEE = "see"
    """The key of a notice by the software, at the desk, in the room or in the office."""
    PHONE = "phone"
    """The name of a text of the agency that reaches the phone."""


MARKS: Final = {
    "en": {
        ShownLine.TEXT: "**They text:**",
        ShownLine.TYPE: "**You type:**",
        ShownLine.DELETE: "**You delete it, and it never leaves.**",
        ShownLine.SEE: "**You see:**",
        ShownLine.PHONE: "**Their phone gets:**",
    },
    "es": {
        ShownLine.TEXT: "**La persona escribe:**",
        ShownLine.TYPE: "**Escribes:**",
        ShownLine.DELETE: "**Lo borras, y no sale nunca.**",
        ShownLine.SEE: "**Ves:**",
        ShownLine.PHONE: "**Su teléfono recibe:**",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One part: heading and narration by language, its lines, and the picture at its end, if there is one."""

    heading: dict[str, str]
    narration: dict[str, str]
    lines: tuple[tuple[ShownLine, dict[str, str] | str], ...] = ()
    picture: tuple[str, str] | None = None


def by_language(english: str, spanish: str) -> dict[str, str]:
    """Return words by language."""
    return {"en": english, "es": spanish}


SCENES: Final = (
    Scene(
        heading=by_language("Before it begins", "Antes de empezar"),
        narration=by_language(
            (
                "Ana is new. A supervisor gave her a rehearsal line: it runs on one machine, its phones are pictures in a"
                " browser, and nobody real is at the other end. She logged in, verified her device, and accepted two"
                " invitations: the *desk*, where everybody is, and her *office*, where only she and the software are."
            ),
            (
                "Ana es nueva. Alguien de supervisión le dio una línea de ensayo: funciona en una sola máquina, sus"
                " teléfonos"
                " son dibujos en un navegador, y al otro lado no hay nadie real. Entró, verificó su dispositivo y"
                " aceptó dos"
                " invitaciones: la *mesa*, donde está todo el equipo, y su *oficina*, donde están solo ella y el"
                " programa. Con `!lang me es` el programa le habla en español."
            ),
        ),
        picture=("handsets", "desktop"),
    ),
    Scene(
        heading=by_language("Someone waits", "Alguien espera"),
        narration=by_language(
            "At the desk Ana asks for a drill. A card comes up with two words, such as *amber heron*: that is what the"
            " texter"
            " is called, and it says nothing about them. She takes it, and a room of that name opens. The pictures are of"
            " one client, Hydrogen, where Ana's account is called ada; yours looks a little different, and shows a"
            " message that was changed in its place, not once more with a star.",
            "En la mesa Ana pide un ejercicio. Aparece una tarjeta con dos palabras en inglés, como *amber heron*: así"
            " se llama"
            " a quien escribe, y no dice nada de esa persona. Ella la toma, y se abre una sala con ese nombre. Las"
            " imágenes son de un programa, Hydrogen, donde la cuenta de Ana se llama ada; el tuyo se ve algo distinto, y"
            " muestra un mensaje que cambió en su mismo lugar, no otra vez con un asterisco.",
        ),
        lines=(
            (ShownLine.TYPE, by_language(f"!drill {DRILL}", f"!drill {DRILL} es")),
            (ShownLine.SEE, "drills.begins"),
            (ShownLine.TEXT, ""),
            (ShownLine.PHONE, TextName.GREETING.value),
            (ShownLine.TYPE, by_language("!claim", "!claim")),
            (ShownLine.SEE, "first_times.step_1"),
        ),
        picture=("client-desk", "desktop"),
    ),
    Scene(
        heading=by_language("The first words", "Las primeras palabras"),
        narration=by_language(
            "A short sentence first, so that they know that a person is there. Then the limits, early: once something"
            " is told"
            " that must be reported, it cannot be taken back.",
            "Primero una frase corta, para que sepa que hay una persona. Después los límites, pronto: cuando se ha"
            " contado algo"
            " que hay que reportar, ya no se puede retirar.",
        ),
        lines=(
            (ShownLine.TYPE, by_language("Yes, of course. I am here.", "Sí, claro. Estoy aquí.")),
            (ShownLine.TYPE, by_language("!limits", "!limits")),
            (ShownLine.PHONE, TextName.LIMITS.value),
        ),
        picture=("client-thread", "phone"),
    ),
    Scene(
        heading=by_language("A slip, taken back", "Un error, retirado a tiempo"),
        narration=by_language(
            "Ana types too fast, and sees it. A message waits {undo} before it leaves. What she wants to tell a colleague"
            " begins with two strokes and stays in the room.",
            "Ana escribe demasiado rápido, y lo ve. Un mensaje espera {undo} antes de salir. Lo que quiere decirle a"
            " alguien"
            " del equipo empieza con dos barras y se queda en la sala.",
        ),
        lines=(
            (ShownLine.TEXT, ""),
            (ShownLine.TYPE, by_language("Does he hit the kids as well?", "¿También les pega a los niños?")),
            (ShownLine.DELETE, ""),
            (ShownLine.TYPE, by_language("// two children, ten minutes", "// dos niños, diez minutos")),
            (ShownLine.TYPE, by_language("!safecheck", "!safecheck")),
            (ShownLine.PHONE, TextName.SAFE_CHECK.value),
            (ShownLine.TYPE, by_language("There is a house with rooms for three.", "Hay una casa con lugar para tres.")),
        ),
        picture=("handsets", "phone"),
    ),
    Scene(
        heading=by_language("Someone else has the phone", "Otra persona tiene el teléfono"),
        narration=by_language(
            "The tone is another one. Ana does not answer, does not ask, does not explain. She stops everything first and"
            " thinks afterwards: it can be lifted, and a text cannot.",
            "El tono es otro. Ana no responde, no pregunta, no explica. Primero lo detiene todo y después piensa: eso"
            " se puede"
            " levantar, y un texto no.",
        ),
        lines=(
            (ShownLine.TEXT, ""),
            (ShownLine.SEE, "danger_signs.this_may_be_somebody_else"),
            (ShownLine.TYPE, by_language("!unsafe", "!unsafe")),
            (ShownLine.TEXT, ""),
        ),
    ),
    Scene(
        heading=by_language("How it went", "Cómo fue"),
        narration=by_language(
            "The debrief is in her office, and only there. It says what had left, what another person could have read, and"
            " which practice each point is. It goes after an hour. Nobody is compared with anybody. On a line in"
            " service she"
            " would now call a supervisor (`!escalate`), and later take the offer to talk it over (`!debrief`).",
            "El repaso está en su oficina, y solo allí. Dice qué había salido, qué pudo leer otra persona, y qué"
            " práctica es"
            " cada punto. Se borra en una hora. No se compara a nadie con nadie. En una línea en servicio ahora llamaría a"
            " supervisión (`!escalate`), y más tarde aceptaría la oferta de hablarlo (`!debrief`).",
        ),
        lines=((ShownLine.SEE, "drills.over"),),
        picture=("client-debrief", "phone"),
    ),
    Scene(
        heading=by_language("The next evening", "La noche siguiente"),
        narration=by_language(
            "Eight lines are enough to begin ([card.md](card.md)). The others are there when they are needed"
            " ([advocate.md](advocate.md)); more drills are in [drills.md](drills.md).",
            "Para empezar bastan ocho líneas ([card.es.md](card.es.md)). Las demás están para cuando hagan falta"
            " ([advocate.es.md](advocate.es.md)); hay más ejercicios en [drills.es.md](drills.es.md).",
        ),
    ),
)
HEAD: Final = {
    "en": "# A first evening\n\nHow a drill goes, line by line. You can play it yourself while you read.",
    "es": "# Una primera noche\n\nCómo va un ejercicio, línea por línea. Puedes hacerlo mientras lees.",
}


def first_evening_page(language: str) -> str:
    """Return the story, in a language of the pages."""
    undo = duration_text(_pack().settings.undo_seconds, language)
    lines = iter(first_evening_lines(language))
    parts = [GENERATED_NOTICE, HEAD[language]]
    for scene in SCENES:
        parts += [f"## {scene.heading[language]}", scene.narration[language].replace("{undo}", undo)]
        rows = [_format_line(*next(lines), language) for _ in scene.lines]
        parts += ["\n".join(rows)] if rows else []
        parts += [picture(*scene.picture, language)] if scene.picture else []
    return page(parts)


def first_evening_lines(language: str) -> list[tuple[ShownLine, str]]:
    """Return the lines of the story: the kind and words of each."""
    texts = iter([in_words(step.words, language) for step in script_texts()])
    title, pack = in_words(load_drills()[DRILL].title, language), _pack()
    lines = []
    for line, what in (each for scene in SCENES for each in scene.lines):
        match line:
            case ShownLine.TEXT:
                words = next(texts)
            case ShownLine.PHONE:
                words = pack.say(str(what), language)
            case ShownLine.SEE:
                words = words_of(str(what), language, title=title, undo=pack.settings.undo_seconds)
            case _:
                words = what if isinstance(what, str) else what[language]
        lines.append((line, words))
    return lines


def script_texts() -> tuple[Text, ...]:
    """Return the texts of the drill in the order of a run in which the advocate stops everything at once."""
    script = load_drills()[DRILL]
    return tuple(step for scene in ("begin", "taken", "stopped") for step in script.steps(scene) if isinstance(step, Text))


def _pack() -> Pack:
    return load(["base", "rehearsal"])


def _format_line(line: ShownLine, words: str, language: str) -> str:
    mark = MARKS[language][line]
    return f"- {mark} `{words}`" if line is ShownLine.TYPE else f"- {mark} {words}".rstrip()
