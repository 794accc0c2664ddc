"""`FIRST-STEPS.md` and `PRIMEROS-PASOS.md`: the sheet that each person of a new line gets with their hand-out.

Rule of this module: the sheet is the same for everybody and contains no name; only the hand-out has the first password
(`deploy/data_dir/handouts.py`), so the sheet may lie on a desk. Commands have the same names in both languages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def first_steps(languages: Sequence[str]) -> dict[str, str]:
    """Return the sheets in a line's languages, by file name, the first language first; without one, in English."""
    known = [language for language in languages if language in SHEETS] or ["en"]
    return {FILES[language]: SHEETS[language] for language in known}
