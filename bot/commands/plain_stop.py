"""Plain words by which people stop the phone without the command: "shit unsafe", "pls stop the phone".

Rules of this module: no state. A message that surely means it never leaves; a message that may mean it is held, and its
author is asked. A question is for the texter ("u safe?"), and so are words that address a person ("if you feel unsafe").
When in doubt the author is asked.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from bot.commands.parser import SIMILARITY, STOP_WORDS, STOPS

ENDS: Final = frozenset(
    {"stop", "parar", "para", "pare", "paren", "alto", "basta", "deten", "detener", "detenlo", "detenga"}
)
"""Words that stop the phone; nobody says them alone to a texter."""
FILLERS: Final = frozenset(
    """
    shit fuck fck fk omg god gosh damn crap wtf oh ok okay no wait hey hold on hurry quick quickly asap pls plz please now
    rn just so again back still the this her his its it is as be mark make set phone cell line right away immediately
    he hes she shes sorry anymore
    mierda dios ay uy puta carajo joder oye espera por favor porfa ya ahora rapido el la su es esta de telefono celular cel
    linea todo mas
    """.split()  # noqa: SIM905 - words are easier to read, and to add to, as words
)
"""Words that people add to such a word in haste, without a meaning of their own."""
THINGS: Final = frozenset({"phone", "cell", "line", "texts", "texting", "sending", "messages", "everything", "all", "stop"})
"""The objects of "stop" when it is meant for us."""
ORDERS: Final = frozenset(
    """
    cancel abort freeze block lock kill cut shut off down that out send text message anything nothing dont not do write any
    cancela corta bloquea apaga envies mandes escribas envien manden nada le mensajes textos
    """.split()  # noqa: SIM905 - as above
)
"""Words of orders that may be for the software: "dont send it", "block the phone"."""
HALTS: Final = frozenset(
    {"cancel", "abort", "freeze", "block", "lock", "kill", "cut", "shut", "cancela", "corta", "bloquea"}
)
NEGATIONS: Final = frozenset({"dont", "not", "nothing", "nada", "envies", "mandes", "escribas", "envien", "manden"})
SENDING: Final = frozenset({"send", "text", "write", "message", "envies", "mandes", "escribas", "envien", "manden"})
PEOPLE: Final = frozenset({"he", "hes", "she", "shes"})
NOT_OURS: Final = frozenset({"him", "me"})
"""With one of these an order is advice to the texter."""
TO_THE_TEXTER: Final = frozenset(
    """
    you your u ur yours yourself if when where whether that what feel feels felt sounds sound seems seem look looks gets get
    being to too very somewhere something anything anywhere place places home can could may might
    te ti tu tus usted si cuando donde sientes siente lugar
    """.split()  # noqa: SIM905 - as above
)
"""With one of these, "unsafe" is said to the texter or about something other than the phone."""
BEFORE_STOP: Final = frozenset(
    """
    to will wont would not dont didnt doesnt never ever he she they it you u i we him them can cant could should must and or
    did does when if a the bus gas rest truck train next full non pit that
    say says said press push text reply word last first second third
    di que no la quiero quieres puede puedes a de sin mas el ellos muy lo y es tan su va voy vas hasta nunca ni o son tu mi
    un en
    """.split()  # noqa: SIM905 - as above
)
"""After one of these, a stop word at the end of a message is part of its sentence: "he will not stop", "es muy alto"."""
BEFORE_DANGER: Final = frozenset(
    {
        *("in", "of", "the", "a", "any", "no", "more", "real", "immediate", "dont", "not", "to", "and", "are", "is", "you"),
        *("en", "de", "hay", "un", "mucho", "gran", "este"),
    }
)
"""The same for a word of `parser.STOP_WORDS`: "are in danger"."""
MOST_WORDS: Final = 12
"""Words above which a message is no cry."""


def is_certain_stop(plain: str) -> bool:
    """Tell whether words can only mean that the phone is to be stopped. `plain`: in lower case, without accents."""
    said = _words(plain)
    if not said:
        return False
    if said[0] == STOPS:
        return True
    if "?" in plain:
        return False
    if len(said) == 1 and get_close_matches(said[0], (STOPS,), n=1, cutoff=SIMILARITY):
        return True
    if len(said) == 2 and "".join(said) in {STOPS, *STOP_WORDS}:
        return True
    meant = [word for word in said if word not in FILLERS or word in ENDS]
    if not meant:
        return False
    if all(word == STOPS or word in ENDS or word in STOP_WORDS for word in meant):
        # "no stop" is a cry; "no para" and "es alto" are not.
        return not any(before in BEFORE_STOP and word in ENDS - {"stop"} for before, word in pairwise(said))
    if meant in (["not", "safe"], ["seguro"], ["segura"]) and {"not", "no"} & {*said}:
        # "he is not safe" may be about anybody.
        return PEOPLE.isdisjoint(said)
    return meant[0] == "stop" and {*meant} <= THINGS


def is_possible_stop(plain: str) -> bool:
    """Tell whether words may mean that, and may be for the texter as well. `plain`: as for `is_certain_stop`."""
    said = _words(plain)
    if len(said) < 2 or "?" in plain:
        return len(said) == 1 and said[0] in {"cancel", "abort", "freeze", "cancela"}
    if len(said) > MOST_WORDS:
        return False
    if STOPS in said and TO_THE_TEXTER.isdisjoint(said):
        return True
    if said[-2:] == ["not", "safe"] and PEOPLE & {*said} and TO_THE_TEXTER.isdisjoint(said):
        return True
    last, before = said[-1], said[-2]
    if last in ENDS and before not in BEFORE_STOP:
        return True
    if last in STOP_WORDS and before not in BEFORE_DANGER and TO_THE_TEXTER.isdisjoint(said):
        return True
    meant = [word for word in said if word not in FILLERS]
    if meant[:1] == ["stop"] and TO_THE_TEXTER.isdisjoint(said) and (after := said[said.index("stop") + 1 :]):
        of = after[1] if after[0] in ("the", "her", "his", "this") and len(after) > 1 else after[0]
        return of in THINGS or of in {"it", "he", "hes", "she", "shes", "now", "her"}
    if not {*meant} <= ORDERS or NOT_OURS & {*said}:
        return False
    return not HALTS.isdisjoint(meant) or not (NEGATIONS.isdisjoint(meant) or SENDING.isdisjoint(meant))


def _words(plain: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain.replace("'", "").replace("\u2019", ""))
