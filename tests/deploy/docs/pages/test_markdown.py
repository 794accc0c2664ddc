"""Lengths of time as the pages say them."""

from __future__ import annotations

import pytest

from deploy.docs.pages.markdown import duration_text


@pytest.mark.parametrize(
    ("seconds", "english", "spanish"),
    [
        (1, "1 second", "1 segundo"),
        (8, "8 seconds", "8 segundos"),
        (60, "1 minute", "1 minuto"),
        (90, "90 seconds", "90 segundos"),
        (600, "10 minutes", "10 minutos"),
        (3_600, "1 hour", "1 hora"),
        (72 * 3_600, "72 hours", "72 horas"),
        (86_400, "24 hours", "24 horas"),
        (7 * 86_400, "7 days", "7 días"),
        (97 * 3_600, "97 hours", "97 horas"),
    ],
)
def test_a_length_is_said_whole(seconds: int, english: str, spanish: str) -> None:
    """In the largest unit of which it is a whole number, and in days only from four of them on."""
    assert (duration_text(seconds, "en"), duration_text(float(seconds), "es")) == (english, spanish)
