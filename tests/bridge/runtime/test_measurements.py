"""What the bridge measures of itself."""

from __future__ import annotations

import pytest
from prometheus_client.exposition import generate_latest

from bridge.runtime.measurements import CARRIER_FAILURE_SECONDS, Measurements
from tests.bridge.metrics.samples import value


class Ticks:
    """A clock that stands until it is set."""

    at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def measurements(ticks: Ticks) -> Measurements:
    return Measurements(monotonic=ticks)


def read(measurements: Measurements, name: str, **labels: str) -> float:
    """Return one value, as Prometheus reads it."""
    return value(generate_latest(measurements.registry), name, labels)


def test_every_series_is_there_before_it_is_needed(measurements: Measurements) -> None:
    """A counter that appears with its first 1 is one that Prometheus has not seen rise."""
    assert read(measurements, "quietline_texts_not_kept_total") == 0
    assert read(measurements, "quietline_webhook_acknowledge_seconds_count", brought="inbound") == 0


def test_a_text_is_timed_to_its_first_message(measurements: Measurements, ticks: Ticks) -> None:
    """Its further pieces, and messages of anybody else, are not."""
    measurements.record_arrival("a1")
    ticks.at = 3.0
    for ref in ("in:other:0", "card", "", "in:a1:0", "in:a1:1"):
        measurements.record_text_shown(ref)
    assert read(measurements, "quietline_text_to_room_seconds_count") == 1
    assert read(measurements, "quietline_text_to_room_seconds_sum") == 3.0


def test_a_failed_request_is_forgotten_after_a_while(measurements: Measurements, ticks: Ticks) -> None:
    """One time-out on a quiet line is no carrier that is down for the whole night."""
    assert measurements.carrier_answers() is None
    measurements.record_carrier_request(answered=False)
    assert measurements.carrier_answers() is False
    ticks.at = CARRIER_FAILURE_SECONDS + 1
    assert measurements.carrier_answers() is None
    measurements.record_carrier_request(answered=True)
    ticks.at *= 10
    assert measurements.carrier_answers() is True


def test_the_sync_ages_from_the_start(measurements: Measurements, ticks: Ticks) -> None:
    """A homeserver that never answered is as old as the process."""
    ticks.at = 40.0
    assert measurements.seconds_since_sync() == 40.0
    measurements.record_sync()
    ticks.at = 45.0
    assert measurements.seconds_since_sync() == 5.0
