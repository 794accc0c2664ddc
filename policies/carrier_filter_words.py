"""Words for which carriers hold texts back.

Rule of this module: a list to be warned by, in the form that `policies.keywords.normalize_words` gives. No carrier
publishes its
own; these are plain words of the categories that the CTIA's Messaging Principles and the carriers' codes of conduct name
(sex, hate, alcohol, firearms, tobacco; drugs, gambling, loans, debt, prizes), and phrases of advertisers. An advocate's own
words are never held against it.
"""

from __future__ import annotations

from typing import Final

FILTERED: Final = tuple(
    word.strip()
    for word in """
    sex, sexual, sexy, porn, nude, nudes, escort, xxx, beer, wine, vodka, whiskey, liquor, gun, guns, firearm,
    firearms, ammo, rifle, pistol, tobacco, cigarette, cigarettes, vape, vaping, nicotine, cannabis, marijuana,
    weed, cbd, thc, kratom, cocaine, heroin, opioids, viagra, casino, gambling, betting, lottery, jackpot,
    sweepstakes, prize, winner, you won, congratulations, free money, free gift, cash bonus, payday, loan, loans,
    debt relief, credit repair, refinance, mortgage, crypto, bitcoin, investment, work from home, make money, act
    now, limited time, click here, click below, buy now, order now, discount, best price, guaranteed, risk free, no
    obligation, urgent action, verify your account, account suspended, sexo, sexual, desnuda, desnudos, cerveza,
    vino, pistola, pistolas, armas de fuego, rifle, tabaco, cigarro, cigarros, marihuana, cocaina, heroina, casino,
    apuestas, loteria, premio, ganaste, felicidades, dinero gratis, prestamo, prestamos, hipoteca, inversion, gana
    dinero, haz clic, compra ahora, descuento, garantizado
    """.replace("\n", " ").split(",")
)
