"""The words of the page for the public (`deploy.carrier.privacy_page`), in each of its languages.

Rules of this module: both tables have the same keys, and each sentence has the same placeholders; a carrier's own sentences
are in its `Exposure`, in English, and not here.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGLISH: Final = MappingProxyType(
    {
        "for_counsel": (
            "<!-- Made by `quietline privacy` from the configuration as it is now; made anew when that changes. Counsel "
            "reads it before it is published, and adds who you are, how to reach you, and which law applies. -->"
        ),
        "title": "# How this text line treats your texts",
        "not_private": (
            "Text messages are not private. The phone companies, and whoever holds your phone or sees its bill or its "
            "cloud, can see that you texted us, and mostly what. If that could harm you, call us, or text from a phone "
            "that nobody else looks at. Delete texts on your phone if that is safe for you."
        ),
        "kept": "## What we keep, and for how long",
        "kept_words": (
            "Your words and ours: {time} after somebody here saw or answered them. Words that nobody saw yet stay until "
            "somebody does."
        ),
        "kept_idle": (
            "A conversation in which nobody writes ends by itself after {time}, once somebody answered. What was said "
            "in it goes then."
        ),
        "kept_number": (
            "Your number, sealed: {time} after the conversation ended, so that we know you if you come back soon; "
            "{longer} if you chose to be known again. Then the key to it is destroyed."
        ),
        "kept_stop": (
            "If you text STOP: a code that is made from your number, so that we do not text it, for {time}. Who has our "
            "keys could find out whether a certain number is on that list."
        ),
        "kept_audit": (
            "What was done on the line, by the hour, without words, names or numbers: {time}. Proof that a conversation "
            "was erased, without what was in it: {longer}. Counts by month."
        ),
        "kept_devices": (
            "The devices of our staff forget a conversation when they hear that it is over. A device that is switched "
            "off for longer than {time} keeps what it had, at least until it is signed out."
        ),
        "kept_hold": (
            "A supervisor can stop the deletion of one conversation when the law demands that it is kept. That it was "
            "done is noted, by the hour."
        ),
        "kept_backups": (
            "The backups that the line makes hold no conversation and no key of one; the list of STOP codes is in them."
        ),
        "kept_joined": (
            "Our rooms are on a server that also has other rooms of ours. Encrypted remains, which nobody has a key for "
            "any more, and the bare id of a room can stay in its database and its backups for a while."
        ),
        "readers": "## Who can read it",
        "readers_staff": (
            "The person who answers you, colleagues who are called into your conversation, and a supervisor who joins it."
        ),
        "readers_server": "Whoever runs our server could, while a conversation is open.",
        "readers_number": (
            "Your number is not shown to the people who answer. Two of them together can see it for a minute, and have "
            "to give a reason; that it was done is noted."
        ),
        "readers_alone": (
            "When no supervisor is there, one person alone can see your number for a minute, with a reason; that is "
            "noted too."
        ),
        "readers_on_call": (
            "When nobody answers, a person on call is called. Whoever carries that call learns only that somebody waits."
        ),
        "readers_metrics": "We measure how many texts come and whether the line works. No measurement names anybody.",
        "readers_administrator": (
            "An administrator of our server can take over an account there, and so come into a conversation that is open."
        ),
        "readers_nobody": "We ask no other company, no look-up service and no artificial intelligence about you.",
        "cannot": "## What these cannot read",
        "cannot_copy": (
            "Whoever copies our database without its keys: neither your words nor your number. They could see that "
            "texts came, how many and when, while a conversation is open."
        ),
        "cannot_backup": "Whoever gets hold of a backup: no conversation.",
        "cannot_push": (
            "The companies that wake our staff's phones (the app's maker, Apple, Google): not what was said, nor your "
            "number."
        ),
        "cannot_we": (
            "We ourselves, once a conversation is over and its key is destroyed: nothing of it that is on our server."
        ),
        "carrier": "## What the company that carries our texts keeps",
        "carrier_keeps": (
            "Our texts are carried by {carrier}. It can read every text. As far as it says so itself, it keeps:"
        ),
        "carrier_delete": "We ask it to delete, as soon as it lets us:",
        "carrier_nothing": "There is nothing that we could have it delete.",
        "carrier_bill": "Its bill: {bill}",
        "carrier_one": "There is one thing about it that we could not confirm. Ask us, and we say which.",
        "carrier_unconfirmed": "There are {count} things about it that we could not confirm. Ask us, and we say which.",
        "phones": "## What the phone companies keep",
        "phones_keep": (
            "Yours and ours keep, for as long as their own rules and laws say, that one number texted the other, and "
            "when; some keep the words for a while. Neither you nor we can delete that. It may be on your bill."
        ),
        "choices": "## What you can ask for",
        "choices_stop": (
            "**Stop:** text STOP. We do not text you after that, but for one last answer of a supervisor at most. Once "
            "you text START, we may again."
        ),
        "choices_exit": "**Leave without STOP:** there are words for it; the person who answers can tell you which.",
        "choices_forget": (
            "**Forget me now:** say so in the conversation. We end it and erase number and words at once; a device of "
            "ours that is off for longer than {time} then keeps what it had, at least until it is signed out."
        ),
        "choices_first": (
            "**Not be texted first**, or only at certain times: say so. What would break it is held back then, until a "
            "person decides otherwise."
        ),
        "choices_copy": "**A copy:** there is no way to print a conversation out. Keep it on your phone if that is safe.",
    }
)

SPANISH: Final = MappingProxyType(
    {
        "for_counsel": (
            "<!-- Hecha por `quietline privacy` con la configuración de ahora; se hace otra vez cuando esta cambia. "
            "Asesoría legal la lee antes de que se publique, y añade quiénes son, cómo contactarlos y qué ley se "
            "aplica. -->"
        ),
        "title": "# Cómo trata tus textos esta línea",
        "not_private": (
            "Los mensajes de texto no son privados. Las compañías de teléfono, y quien tenga tu celular o vea su "
            "factura o su nube, pueden ver que nos escribiste, y casi siempre qué. Si eso te puede hacer daño, "
            "llámanos, o escribe desde un celular que nadie más mire. Borra los textos de tu celular si es seguro para "
            "ti."
        ),
        "kept": "## Qué guardamos, y cuánto tiempo",
        "kept_words": (
            "Tus palabras y las nuestras: {time} después de que alguien de aquí las vio o respondió. Las que nadie ha "
            "visto quedan hasta que alguien las vea."
        ),
        "kept_idle": (
            "Una conversación en la que nadie escribe termina sola tras {time}, si alguien ya respondió. Lo que se dijo "
            "en ella se va entonces."
        ),
        "kept_number": (
            "Tu número, sellado: {time} después del fin de la conversación, para conocerte si vuelves pronto; {longer} "
            "si elegiste que te conozcamos otra vez. Después se destruye su clave."
        ),
        "kept_stop": (
            "Si escribes ALTO o STOP: un código hecho de tu número, para no escribirte, por {time}. Quien tenga "
            "nuestras claves podría averiguar si un número dado está en esa lista."
        ),
        "kept_audit": (
            "Lo que se hizo en la línea, por horas, sin palabras, nombres ni números: {time}. La prueba de que una "
            "conversación se borró, sin lo que había en ella: {longer}. Cuentas por mes."
        ),
        "kept_devices": (
            "Los dispositivos de nuestro equipo olvidan una conversación cuando se enteran de que terminó. Uno que está "
            "apagado más de {time} conserva lo que tenía, al menos hasta que se le cierra la sesión."
        ),
        "kept_hold": (
            "Supervisión puede detener el borrado de una conversación cuando la ley exige que se guarde. Que se hizo "
            "queda anotado, por horas."
        ),
        "kept_backups": (
            "Las copias de seguridad que hace la línea no tienen ninguna conversación ni la clave de ninguna; la lista "
            "de códigos de ALTO está en ellas."
        ),
        "kept_joined": (
            "Nuestras salas están en un servidor que también tiene otras salas nuestras. Restos cifrados, de los que "
            "nadie tiene ya la clave, y el identificador de una sala pueden quedar un tiempo en su base de datos y en "
            "sus copias."
        ),
        "readers": "## Quién lo puede leer",
        "readers_staff": (
            "La persona que te responde, colegas a quienes se llama a tu conversación, y alguien de supervisión que "
            "entra en ella."
        ),
        "readers_server": "Quien maneja nuestro servidor podría, mientras una conversación está abierta.",
        "readers_number": (
            "Tu número no se muestra a quienes responden. Dos personas juntas pueden verlo por un minuto, y tienen que "
            "dar un motivo; que se hizo queda anotado."
        ),
        "readers_alone": (
            "Cuando no hay nadie de supervisión, una persona sola puede ver tu número por un minuto, con un motivo; "
            "también eso queda anotado."
        ),
        "readers_on_call": (
            "Cuando nadie responde, se llama a una persona de guardia. Quien lleva esa llamada solo sabe que alguien "
            "espera."
        ),
        "readers_metrics": "Medimos cuántos textos llegan y si la línea funciona. Ninguna medida nombra a nadie.",
        "readers_administrator": (
            "Una persona que administra nuestro servidor puede tomar una cuenta de allí, y así entrar en una "
            "conversación que está abierta."
        ),
        "readers_nobody": (
            "No preguntamos por ti a ninguna otra empresa, a ningún servicio de consulta ni a ninguna inteligencia "
            "artificial."
        ),
        "cannot": "## Lo que estas personas no pueden leer",
        "cannot_copy": (
            "Quien copie nuestra base de datos sin sus claves: ni tus palabras ni tu número. Podría ver que llegaron "
            "textos, cuántos y cuándo, mientras una conversación está abierta."
        ),
        "cannot_backup": "Quien consiga una copia de seguridad: ninguna conversación.",
        "cannot_push": (
            "Las empresas que despiertan los celulares de nuestro equipo (la de la app, Apple, Google): ni lo que se "
            "dijo, ni tu número."
        ),
        "cannot_we": (
            "Esta línea misma, cuando una conversación terminó y su clave está destruida: nada de lo que hay de ella en "
            "nuestro servidor."
        ),
        "carrier": "## Qué guarda la empresa que lleva nuestros textos",
        "carrier_keeps": (
            "Nuestros textos los lleva {carrier}. Puede leer cada texto. Hasta donde lo dice ella misma, guarda (aquí "
            "en inglés):"
        ),
        "carrier_delete": "Le pedimos que borre, en cuanto nos deja (aquí en inglés):",
        "carrier_nothing": "No hay nada que le pudiéramos hacer borrar.",
        "carrier_bill": "Su factura (aquí en inglés): {bill}",
        "carrier_one": "Hay una cosa sobre ella que no pudimos confirmar. Pregúntanos, y te decimos cuál.",
        "carrier_unconfirmed": "Hay {count} cosas sobre ella que no pudimos confirmar. Pregúntanos, y te decimos cuáles.",
        "phones": "## Qué guardan las compañías de teléfono",
        "phones_keep": (
            "La tuya y la nuestra guardan, el tiempo que digan sus reglas y sus leyes, que un número le escribió al "
            "otro, y cuándo; algunas guardan las palabras por un tiempo. Ni tú ni esta línea lo pueden borrar. Puede "
            "estar en tu factura."
        ),
        "choices": "## Qué puedes pedir",
        "choices_stop": (
            "**Parar:** escribe ALTO o STOP. Después no te escribimos, salvo una última respuesta de supervisión, como "
            "mucho. Cuando escribas START, podemos otra vez."
        ),
        "choices_exit": "**Irte sin ALTO:** hay palabras para eso; la persona que responde te puede decir cuáles.",
        "choices_forget": (
            "**Que te olvidemos ya:** dilo en la conversación. La terminamos y borramos número y palabras enseguida; un "
            "dispositivo nuestro que esté apagado más de {time} conserva entonces lo que tenía, al menos hasta que se "
            "le cierra la sesión."
        ),
        "choices_first": (
            "**Que no te escribamos primero**, o solo a ciertas horas: dilo. Lo que iría en contra se detiene entonces, "
            "hasta que una persona decida otra cosa."
        ),
        "choices_copy": "**Una copia:** no hay manera de imprimir una conversación. Guárdala en tu celular si es seguro.",
    }
)

WORDINGS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({"en": ENGLISH, "es": SPANISH})
"""By language code."""
DAYS: Final[Mapping[str, str]] = MappingProxyType({"en": "days", "es": "días"})
