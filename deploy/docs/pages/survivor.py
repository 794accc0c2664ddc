"""A sheet for survivors: how the line works, in plain words, for the agency to hand out where that is safe.

Rules of this module: school years 6 to 8 (`policies.readability`); numbers and words to text are those of the pack; it
promises only what the line guarantees by itself, and says what neither we nor anybody else can undo.
"""

from __future__ import annotations

from typing import Final

from deploy.docs.pages.markdown import GENERATED_NOTICE, duration_text, page
from policies.load import load

WORDS: Final = {
    "en": {"stop": "STOP", "start": "START", "bye": "BYE", "later": "LATER"},
    "es": {"stop": "ALTO", "start": "START", "bye": "ADIOS", "later": "LUEGO"},
}
"""Words that a texter may send; a test checks that the pack understands each of them."""
PARTS: Final = {
    "en": (
        "# How this text line works",
        "You can read this sheet before you text. Keep it only where nobody else looks. The name of the line is not on it.",
        "## Who reads your texts",
        (
            "People who work here read them. One of them answers you. A few short texts come from the line by itself, right"
            " after a text of yours, such as the first hello. All the rest is written by a person.\n\n"
            "You do not have to give your name. You can choose what to tell. If you tell that a child is being hurt,"
            " the law"
            " may make us report it. Ask us about that first."
        ),
        "## You can stop at any time",
        (
            "- You can just stop. You do not have to say why. After {silence} without a text of yours the line holds"
            " our words"
            " back, and a person has to think twice.\n"
            "- Text **{bye}** and the talk ends. No answer comes.\n"
            "- Text **{later}** and we wait. No answer comes.\n"
            "- Text **{stop}** and we send one last text, then no more. For {suppression} we keep a mark that is not"
            " your number.\n"
            "- Text **{start}** after a {stop}, and we can answer you again.\n"
            "- Send the word alone, with nothing else in the text."
        ),
        "## What we keep, and for how long",
        (
            "- Your words go away {ttl} after we read or answered them.\n"
            "- When the talk is over, all its words go. If you just stop, that is after {idle}.\n"
            "- Your number and a few notes stay for {grace} after that. A note is your language, or when it is safe to"
            " text.\n"
            "- If you want us to know you the next time, they stay for {continuing}. That is your choice, and you can undo"
            " it. What you said is never kept.\n"
            "- A judge can order us to keep what is still there. Then we may have to. What is gone cannot come back."
        ),
        "## What others may see",
        (
            "- Your phone keeps our texts until you delete them. So may a watch, a tablet, a computer or the cloud.\n"
            "- The phone bill may show our number, the day and the time. It does not show the words. Who pays the bill can"
            " look.\n"
            "- The phone company keeps lists of texts. We cannot delete those.\n"
            "- An app on your phone can show it all to someone else. Then a safe phone is better, such as a friend's."
        ),
        "## Make it safer",
        (
            "- Tell us the **times** when it is safe, and if we may text first. At other times the line asks the person who"
            " answers to think twice.\n"
            "- Tell us at once if someone takes your phone. Any way of saying it will do.\n"
            "- An **agreed word** shows that it is you. You agree on it by a call or in person, never by text. A second"
            " word"
            " can mean: someone makes me write. The phone shows nothing strange after it.\n"
            "- The word works on the one phone for which you agreed on it. It goes when your number goes. Then ask us for a"
            " new one.\n"
            "- Once you have texted the word, it can be read on that phone. Then ask us for a new one, too.\n"
            "- Pictures do not come through. Say it in words. If you may need proof, keep it where no one else can reach.\n"
            "- Delete our texts if that is safe for you. At times a gap stands out more than a text."
        ),
        "## If you are in danger now",
        (
            "Call your emergency number. In the United States it is 911; in many places you can text 911 too. A text"
            " line can"
            " be slow. We do not know where you are.\n\n"
            "Our phone number for a call (the agency writes it here): ______________________"
        ),
    ),
    "es": (
        "# Cómo funciona esta línea de textos",
        "Puedes leer esta hoja antes de escribir. Guárdala solo donde nadie más mire. No tiene el nombre de la línea.",
        "## Quién lee tus textos",
        (
            "Los lee gente que trabaja aquí. Una sola persona te responde. Unos pocos textos cortos salen solos de la"
            " línea,"
            " justo después de un texto tuyo, como el primer saludo. Todo lo demás lo escribe una persona.\n\n"
            "No hace falta tu nombre. Cuentas solo lo que quieras. Si cuentas que dañan a un menor, la ley nos puede"
            " obligar a"
            " avisar. Pregunta eso primero."
        ),
        "## Puedes parar cuando quieras",
        (
            "- Puedes dejar de escribir. No tienes que decir por qué. Tras {silence} sin un texto tuyo, la línea frena"
            " lo que"
            " escribimos, y hay que pensarlo dos veces.\n"
            "- Escribe **{bye}** y la charla termina. No llega respuesta.\n"
            "- Escribe **{later}** y esperamos. No llega respuesta.\n"
            "- Escribe **{stop}** y te llega un último texto, y ninguno más. Por {suppression} se guarda una marca que"
            " no es tu número.\n"
            "- Escribe **{start}** después de un {stop} y te podemos responder otra vez.\n"
            "- Manda la palabra sola, sin nada más en el texto."
        ),
        "## Qué se guarda, y cuánto tiempo",
        (
            "- Tus palabras se borran {ttl} después de leerlas o responder.\n"
            "- Al terminar la charla se borra todo lo dicho. Si solo dejas de escribir, eso pasa a las {idle}.\n"
            "- Tu número y unas pocas notas quedan {grace} más. Una nota es tu idioma, o a qué hora es seguro escribir.\n"
            "- Si quieres que te conozcamos la próxima vez, quedan {continuing}. Tú lo eliges, y lo puedes deshacer. Lo que"
            " dijiste no se guarda nunca.\n"
            "- Un juez nos puede pedir que se guarde lo que aún está. Lo que ya se borró no vuelve."
        ),
        "## Qué pueden ver otros",
        (
            "- Tu celular guarda nuestros textos hasta que los borras. También un reloj, una tableta o la nube.\n"
            "- La factura puede mostrar nuestro número, el día y la hora. No muestra las palabras. Quien la paga la ve.\n"
            "- La compañía de celular guarda listas de textos. Esas no las podemos borrar.\n"
            "- Una app en tu celular puede mostrar todo a otra gente. Es mejor un celular seguro, como el de una amiga."
        ),
        "## Para más seguridad",
        (
            "- Dinos las **horas** en que es seguro, y si podemos escribir primero. Fuera de esas horas la línea pide"
            " pensarlo"
            " dos veces a quien responde.\n"
            "- Avisa si alguien toma tu celular. Dilo como puedas.\n"
            "- Una **palabra acordada** muestra que eres tú. Se acuerda por llamada o en persona, nunca por texto. Una"
            " segunda"
            " puede decir: me obligan a escribir. En el celular no se nota nada raro.\n"
            "- La palabra sirve solo en ese celular. Se borra con tu número. Luego pide otra.\n"
            "- Cuando ya la mandaste por texto, se puede leer en ese celular. Pide otra también.\n"
            "- Las fotos no pasan. Dilo con palabras. Si quieres pruebas, guárdalas donde nadie más llegue.\n"
            "- Borra nuestros textos si es seguro para ti. A veces un hueco se nota más que un texto."
        ),
        "## Si corres peligro ahora",
        (
            "Llama a emergencias. En Estados Unidos es el 911; en muchos lugares también lee textos. Una línea de"
            " textos puede"
            " tardar. No se sabe dónde estás.\n\n"
            "Nuestro número para llamar (lo escribe la agencia aquí): ______________________"
        ),
    ),
}


def survivor_page(language: str) -> str:
    """Return the sheet, in a language of the pages."""
    settings = load(["base"]).settings
    lengths = {
        "ttl": settings.message_ttl,
        "idle": settings.idle,
        "grace": settings.grace,
        "continuing": settings.continuing,
        "suppression": settings.suppression_ttl,
        "silence": settings.hold_after_silence,
    }
    values = {name: duration_text(seconds, language) for name, seconds in lengths.items()} | WORDS[language]
    return page([GENERATED_NOTICE, *(part.format_map(values) for part in PARTS[language])])
