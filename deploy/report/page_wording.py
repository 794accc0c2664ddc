"""The wording of the report's page, in English and in Spanish.

Rules of this module: only words; both languages have every key. A language of texters is shown by its name when the table
has it, otherwise by its code.
"""

from __future__ import annotations

from typing import Final

ENGLISH: Final = {
    "title": "Report by month",
    "about": (
        "Counts of conversations, by month (UTC), language and kind. No conversation can be found in them. A count from 1 "
        "to {below} is shown as “{small}”, with a dashed mark of the same length for each. A sum is not shown where a part "
        "of it is hidden. Bars of one plot have the same scale in every month."
    ),
    "people": "Different people: anonymous, unknowable.",
    "nothing": "Nothing was counted.",
    "small": "fewer than {smallest}",
    "withheld": "not shown, for a part of it is hidden",
    "count": "count",
    "month": "month",
    "counted": "what was counted",
    "median": "half were answered within",
    "no_median": "not shown, for there is too little",
    "nothing_here": "None was counted in these months.",
    "described": "Bars from 0 to {maximum}. The same numbers are in the table after it.",
    "load": "Load: first answers by month",
    "waits": "Waits for a first answer",
    "languages": "Languages: first answers",
    "needs": "What conversations were about",
    "unmet": "Unmet needs",
    "wait_under_2_min": "under 2 min",
    "wait_2_to_5_min": "2 to 5 min",
    "wait_5_to_10_min": "5 to 10 min",
    "wait_10_to_30_min": "10 to 30 min",
    "wait_over_30_min": "over 30 min",
    "safety": "safety",
    "shelter": "shelter",
    "legal": "legal",
    "medical": "medical",
    "referral": "referral",
    "listening": "listening",
    "other": "other",
    "abandoned": "abandoned",
    "gone_when_answered": "gone when answered",
    "unmet_language": "language not spoken",
    "en": "English",
    "es": "Spanish",
}
SPANISH: Final = {
    "title": "Informe por mes",
    "about": (
        "Cantidades de conversaciones, por mes (UTC), idioma y tipo. Ninguna conversación se puede reconocer en ellas. Una "
        "cantidad de 1 a {below} aparece como «{small}», con una marca discontinua del mismo largo para todas. Una suma no "
        "aparece si una parte de ella está oculta. Las barras de un gráfico tienen la misma escala en todos los meses."
    ),
    "people": "Personas distintas: anónimas, no se puede saber.",
    "nothing": "No se contó nada.",
    "small": "menos de {smallest}",
    "withheld": "no se muestra: una parte está oculta",
    "count": "cantidad",
    "month": "mes",
    "counted": "qué se contó",
    "median": "la mitad tuvo respuesta en",
    "no_median": "no se muestra: hay muy poco",
    "nothing_here": "No se contó nada de esto en estos meses.",
    "described": "Barras de 0 a {maximum}. Los mismos números están en la tabla que sigue.",
    "load": "Carga: primeras respuestas por mes",
    "waits": "Esperas hasta la primera respuesta",
    "languages": "Idiomas: primeras respuestas",
    "needs": "De qué trataron las conversaciones",
    "unmet": "Necesidades no atendidas",
    "wait_under_2_min": "menos de 2 min",
    "wait_2_to_5_min": "de 2 a 5 min",
    "wait_5_to_10_min": "de 5 a 10 min",
    "wait_10_to_30_min": "de 10 a 30 min",
    "wait_over_30_min": "más de 30 min",
    "safety": "seguridad",
    "shelter": "refugio",
    "legal": "asuntos legales",
    "medical": "salud",
    "referral": "derivación",
    "listening": "escucha",
    "other": "otro",
    "abandoned": "abandonada",
    "gone_when_answered": "ya se había ido",
    "unmet_language": "idioma sin hablante",
    "en": "inglés",
    "es": "español",
}
LANGUAGES: Final = {"en": ENGLISH, "es": SPANISH}
"""By the language code of the page."""
