"""What the rehearsal carrier holds, without its HTTP side."""

from __future__ import annotations

from deploy.rehearsal.exchange import Exchange


def test_clock_set_back() -> None:
    """Times ascend strictly even when the clock is set back or stands still: no watermark skips a text."""
    hours = iter([7200.0, 3600.0, 3600.0, 10800.0])
    exchange = Exchange(number="+15555550100", clock=lambda: next(hours))
    first, second, third, fourth = (exchange.inbound(sender="+15555550101", text=str(n)) for n in range(4))
    assert first.at < second.at < third.at < fourth.at
    assert exchange.inbound_copies(since=second.at, after=0, limit=10) == (second, third, fourth)


def test_shows_nothing() -> None:
    """The repr of a text has neither the phone nor the words."""
    exchange = Exchange(number="+15555550100", clock=lambda: 0.0)
    shown = repr(exchange.inbound(sender="+15555550101", text="word")) + repr(exchange)
    assert "word" not in shown
    assert "55555501" not in shown
