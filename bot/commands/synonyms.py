"""Other words that people use for a command, in the languages of staff.

Rules of this module: a synonym is suggested and never done, because it may mean something else. No synonym is a command, or
resembles one that stops a phone (`parser.STOP_WORDS` are done). A synonym behind which a codeword may follow is in
`parser.CODEWORD_ALIASES`. The argument of a command, a language or a playbook, is accepted under any of its names.
"""

from __future__ import annotations

from typing import Final

from bot.wording.notice import notice_of

SYNONYMS: Final = {
    word: hint
    for words, hint in (
        ("undo unsend recall delete", notice_of("dispatch.to_take_words_back_delete")),
        ("notes memo comment", notice_of("dispatch.a_note_begins_with_or")),
        ("call phone voice llamar", notice_of("dispatch.urgent_gives_them_the_voice")),
        ("spanish espanol español es", notice_of("dispatch.lang_es_the_agencys_texts")),
        ("english ingles inglés en", notice_of("dispatch.lang_en_the_agencys_texts")),
        ("911 police policia policía ambulance emergency", notice_of("dispatch.escalate_calls_a_supervisor_playbook")),
        (
            "suicide suicidal suicidio overdose sobredosis pills pastillas",
            notice_of("dispatch.playbook_suicide_says_what_to"),
        ),
        ("report cps minor abuse", notice_of("dispatch.playbook_minor_says_what_to")),
        ("interpreter translator interprete intérprete", notice_of("dispatch.lang_es_the_agencys_texts")),
        ("end done finish bye stop", notice_of("dispatch.close_ends_the_conversation_if")),
        ("who list queue waiting", notice_of("dispatch.board_at_the_desk_shows")),
        ("supervisor super boss help-me", notice_of("dispatch.escalate_calls_the_supervisors_on")),
        ("ayuda", notice_of("synonyms.help")),
        ("handoff pass give", notice_of("dispatch.transfer_who_offers_the_thread")),
        ("tomar toma atender reclamar", notice_of("synonyms.claim")),
        (
            "cerrar terminar termina fin acabar adios adiós parar alto detener",
            notice_of("dispatch.close_ends_the_conversation_if"),
        ),
        ("pasar transferir entregar ceder", notice_of("dispatch.transfer_who_offers_the_thread")),
        ("soltar liberar devolver", notice_of("synonyms.release")),
        ("nota apunte comentario", notice_of("dispatch.a_note_begins_with_or")),
        ("deshacer borrar retirar eliminar", notice_of("dispatch.to_take_words_back_delete")),
        ("llamada telefono teléfono voz", notice_of("dispatch.urgent_gives_them_the_voice")),
        ("supervision supervisión jefa jefe", notice_of("dispatch.escalate_calls_the_supervisors_on")),
        ("ambulancia emergencia", notice_of("dispatch.escalate_calls_a_supervisor_playbook")),
        ("suicida morir", notice_of("dispatch.playbook_suicide_says_what_to")),
        ("menor abuso reportar", notice_of("dispatch.playbook_minor_says_what_to")),
        ("tablero cola quien quién lista espera", notice_of("dispatch.board_at_the_desk_shows")),
        ("seguro segura", notice_of("synonyms.safe")),
        ("limites límites opciones consejos derechos", notice_of("synonyms.texts")),
        ("idioma lengua", notice_of("synonyms.lang")),
        ("guia guía protocolo pasos", notice_of("synonyms.playbook")),
        ("palabra clave contraseña contrasena", notice_of("synonyms.codeword")),
        ("turno descanso", notice_of("synonyms.duty")),
        ("comandos mas más", notice_of("dispatch.help_lists_what_there_is")),
    )
    for word in words.split()
}
"""Other words that people use for a command: suggested, and never done."""
PLAYBOOK_NAMES: Final = {
    said: name
    for name, words in (
        ("suicide", "suicidio suicidal overdose sobredosis pills pastillas morir"),
        ("danger", "peligro weapon arma emergency emergencia"),
        ("abuser_on_the_line", "abusador agresor other_hands otras_manos"),
        ("prank", "broma abuse_of_the_line"),
        ("minor", "menor child children cps"),
        ("medical", "médico medico choked strangled asfixia embarazo pregnant"),
        ("other_agency", "police policía policia court tribunal hospital"),
        ("evidence_offered", "evidence pictures pruebas fotos"),
        ("subpoena", "citación citacion warrant"),
    )
    for said in words.split()
}
"""Other names of the base pack's playbooks; a name in the pack comes first."""
LANGUAGE_NAMES: Final = {
    "spanish": "es",
    "español": "es",
    "espanol": "es",
    "castellano": "es",
    "english": "en",
    "inglés": "en",
    "ingles": "en",
}
"""Names of languages, where a command takes their code."""


def language_code(word: str) -> str:
    """Return the code of the language that a word names, or the word itself in lower case."""
    return LANGUAGE_NAMES.get(word.casefold(), word.casefold())
