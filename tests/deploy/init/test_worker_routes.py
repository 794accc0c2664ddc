"""The table of routes: each kind of request goes to one duty, each duty and stream to one worker, whatever their number."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

import pytest

from deploy.init.worker_routes import MAX_WORKERS, ROUTES, STREAMS_OF, Duty, Route, Worker, workers_of

C = "/_matrix/client/v3"


def route_of(path: str) -> Route | None:
    """Return the route of a decoded path, None where the main process answers, as it does where no worker has the duty."""
    return next((route for route in ROUTES if re.match(route.pattern, path)), None)


def test_each_sample_is_of_its_route_and_of_no_earlier_one() -> None:
    """The first that fits holds: no route hides another."""
    for route in ROUTES:
        path = urlsplit(route.sample[1]).path
        assert route_of(path) is route, path


@pytest.mark.parametrize(
    ("path", "duty"),
    [
        (f"{C}/rooms/!room/send/m.room.encrypted/t1", Duty.EVENTS),
        (f"{C}/rooms/!room/state/m.room.member/@a/b:x", Duty.EVENTS),
        (f"{C}/rooms/!room/state", Duty.CLIENT),
        (f"{C}/user/@a:x/rooms/!room/account_data/m.fully_read", Duty.STREAMS),
        (f"{C}/user/@a:x/rooms/!room/tags/u.x", Duty.STREAMS),
        (f"{C}/keys/upload/DEVICE", Duty.STREAMS),
        ("/_matrix/client/r0/sync", Duty.SYNC),
        ("/_matrix/media/v3/upload", Duty.MEDIA),
        ("/_matrix/client/v1/media/download/x/y", Duty.MEDIA),
        ("/_synapse/client/quietline/media/x/abcdefgh", Duty.MEDIA),
    ],
)
def test_what_goes_where(path: str, duty: Duty) -> None:
    """Ids and types with a slash in them change nothing."""
    route = route_of(path)
    assert route is not None
    assert route.duty is duty


@pytest.mark.parametrize(
    "path",
    [
        "/_synapse/client/quietline/health",
        "/_synapse/client/quietline/mediation",
        "/_synapse/admin/v1/rooms",
        f"{C}/logout",
        f"{C}/login/sso/redirect",
        f"{C}/account/password",
        "/.well-known/matrix/client",
        f"{C}/sync/more",
    ],
)
def test_the_main_process_answers_what_is_its_own(path: str) -> None:
    """Our module, but for uploads, logins by others, and whatever no route names."""
    assert route_of(path) is None


@pytest.mark.parametrize("count", range(1, MAX_WORKERS + 1))
def test_every_duty_has_a_worker_and_every_stream_one_writer(count: int) -> None:
    """So many workers as were asked for, under names of their own; only waiting is done by several.

    Uploads are kept by none but one more that is asked for.
    """
    workers = workers_of(count)
    assert len({worker.name for worker in workers}) == count
    done = Counter(duty for worker in workers for duty in worker.duties)
    assert set(done) == set(Duty) - {Duty.MEDIA}
    assert workers_of(count, media=True) == (*workers, Worker("media1", (Duty.MEDIA,)))
    assert [duty for duty, times in done.items() if times > 1] in ([], [Duty.SYNC])
    written = Counter(stream for worker in workers for stream in worker.streams)
    assert written == Counter(stream for streams in STREAMS_OF.values() for stream in streams)
    assert max(written.values()) == 1
