"""Makes commits one after another, in the order of the requests, and answers each when it is on the disk.

Rules of this module: a commit that has begun is finished, also when its caller is cancelled. A commit is answered when it
is on the disk, or, if the caller asks for that, when it is written: then nothing outside may know of it before `synced`. An
error that ends the writer or the syncing task ends the line: `wait_for_failure`. The database defines what a commit and a
sync are. One sync answers all commits that were written before it, in their order. No caller waits for ever: when the
syncing ends, waiting and later callers get its error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, TypeAlias, TypeVar

from bridge.storage.database import Reader, Sync, Work
from bridge.storage.errors import Unavailable

T = TypeVar("T")

Maintenance: TypeAlias = Callable[[], Awaitable[bool]]
"""What is done between two commits."""

DEFER_SECONDS: Final = 0.25
"""Seconds after which commits are synced for which no caller waits."""
CROWD_SECONDS: Final = 0.01
"""Seconds for which a sync waits for more in a crowd."""
CROWD: Final = 1.5
"""Average commits for each of the last syncs from which on the load counts as high: one text alone makes 1."""
LAST_ONES: Final = 8
"""Syncs of that average."""
WRITER_STOPS: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends the writer itself."""


@dataclass(frozen=True, slots=True)
class _CommitRequest:
    """A commit that a caller asked for."""

    work: Work[Any]
    sync: Sync
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _MaintenanceRequest:
    """Maintenance that a caller asked for."""

    work: Maintenance
    done: asyncio.Future[bool]


class Log(Protocol):
    """What commits are written to before they are on the disk."""

    async def sync(self) -> None:
        """Return when everything written before is on the disk. Raises when it may not be, now or ever."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    """A caller that waits until the first `number` commits are on the disk, and the answer that it gets."""

    number: int
    value: Any
    done: asyncio.Future[Any]


class GroupSync:
    """Syncs one log, again and again, and answers who waited for it. `last_commit`: how many commits are in the log."""

    def __init__(self, log: Log, *, gather_seconds: float, is_idle: Callable[[], bool]) -> None:
        """Make it. `gather_seconds`: for how long a sync waits for more, while there is more to write; 0: never.

        In a crowd it waits for longer (`CROWD_SECONDS`).
        """
        self._log, self._gather_seconds, self._is_idle = log, gather_seconds, is_idle
        self.last_commit = self._synced = 0
        self._waiting: deque[_Waiter] = deque()
        self._unsynced, self._gathered = asyncio.Event(), asyncio.Event()
        self._deferred: asyncio.TimerHandle | None = None
        self._commits, self._usual_commits = 0, 1.0
        self._gathers_until_idle = False
        self._finished = False

    def record_commit(self, sync: Sync) -> None:
        """Say that one more commit is in the log."""
        self.last_commit += 1
        if sync is not Sync.DEFER:
            self._commits += 1
            self._unsynced.set()
        elif self._deferred is None:
            self._deferred = asyncio.get_running_loop().call_later(DEFER_SECONDS, self._unsynced.set)

    def answer(self, done: asyncio.Future[Any], value: Any, number: int | None = None) -> None:
        """Answer with a value once the first `number` commits are on the disk; None: everything that was written by now."""
        if self._synced < (number := self.last_commit if number is None else number):
            self._waiting.append(_Waiter(number, value, done))
            self._unsynced.set()
        else:
            answer(done, value)

    def idle(self) -> None:
        """Say that nothing waits to be written, so a sync need not wait for more."""
        if self._gathers_until_idle:
            self._gathered.set()

    def finish(self) -> None:
        """Say that nothing more is written: `run` returns after one more sync, if there is anything to sync."""
        self._finished = True
        self._gathered.set()
        self._unsynced.set()

    def fail_all(self) -> None:
        """Tell all waiting callers that their commits may not be on the disk."""
        while self._waiting:
            fail(self._waiting.popleft().done, disk_failure())

    async def run(self) -> None:
        """Sync what was written until `finish`. Raises whatever ends the syncing."""
        while not self._finished or self._synced < self.last_commit:
            await self._unsynced.wait()
            if self._gather_seconds:
                await self._gather()
            self._unsynced.clear()
            if self._deferred is not None:
                self._deferred.cancel()
                self._deferred = None
            if self._synced == self.last_commit:
                continue  # the sync before this one was asked by then
            written = self.last_commit
            self._usual_commits += (self._commits - self._usual_commits) / LAST_ONES
            self._commits = 0
            await self._log.sync()
            self._synced = written
            while self._waiting and self._waiting[0].number <= written:
                waiting = self._waiting.popleft()
                answer(waiting.done, waiting.value)

    async def _gather(self) -> None:
        """Wait for more commits: in a crowd for some time, otherwise until nothing waits to be written."""
        crowded = self._usual_commits >= CROWD
        if self._finished or (not crowded and self._is_idle()):
            return
        self._gathered.clear()
        self._gathers_until_idle = not crowded
        seconds = CROWD_SECONDS if crowded else self._gather_seconds
        timer = asyncio.get_running_loop().call_later(seconds, self._gathered.set)
        await self._gathered.wait()
        timer.cancel()


def answer(done: asyncio.Future[Any], value: Any) -> None:
    """Answer the caller, unless it was cancelled."""
    if not done.done():
        done.set_result(value)


def fail(done: asyncio.Future[Any], error: BaseException) -> None:
    """Give the caller the error."""
    if done.done():
        return
    if isinstance(error, Exception):
        done.set_exception(error)
    else:
        # A panic of a native library is no Exception. A caller that waits must hear of it, and the writer must live.
        done.set_exception(RuntimeError(f"the commit ended with {type(error).__name__}"))


def disk_failure() -> Unavailable:
    """Return the error that all callers get once the disk did not keep what was written."""
    return Unavailable("the disk did not keep what was written")


class CommitQueue:
    """The one writer of a database.

    `transact`: run a work in one transaction and return its value. `after_commit`: what follows each. `gather_seconds`:
    for how long a sync waits for more while commits wait for the writer.
    """

    def __init__(
        self,
        log: Log,
        *,
        transact: Callable[[Work[Any]], Awaitable[Any]],
        after_commit: Callable[[], Awaitable[None]],
        gather_seconds: float = 0.0,
    ) -> None:
        self._transact = transact
        self._after_commit = after_commit
        self._requests: asyncio.Queue[_CommitRequest | _MaintenanceRequest | None] = asyncio.Queue()
        self._group_sync = GroupSync(log, gather_seconds=gather_seconds, is_idle=self._requests.empty)
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = True
        self._cause: BaseException | None = None
        self._failed = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no commit waits to begin."""
        return self._requests.empty()

    def start(self) -> None:
        """Accept requests from now on."""
        self._closed = False
        self._tasks = [
            asyncio.create_task(self._write_loop(), name="writer"),
            asyncio.create_task(self._sync_loop(), name="syncer"),
        ]

    async def stop(self) -> None:
        """Finish the accepted requests. Later ones raise `Unavailable`."""
        tasks, self._tasks, self._closed = self._tasks, [], True
        if tasks:
            self._requests.put_nowait(None)
            await asyncio.gather(*tasks, return_exceptions=True)  # what they ended with, `wait_for_failure` has said

    def require_open(self) -> None:
        """Raise `Unavailable` when nothing can be written."""
        if self._failed.is_set():
            raise disk_failure()
        if self._closed:
            raise Unavailable("not open")

    async def wait_for_failure(self) -> NoReturn:
        """Never return. Raises once nothing written can be relied on any more: then only a new start helps."""
        await self._failed.wait()
        if isinstance(self._cause, Exception) and not isinstance(self._cause, OSError):
            raise self._cause
        raise OSError("the disk did not keep what was written") from self._cause

    async def commit(self, work: Work[T], *, sync: Sync = Sync.AWAIT) -> T:
        """Run `work` in one transaction and return its value; on an exception nothing of it is kept."""
        self.require_open()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(_CommitRequest(work, sync, done))
        return await done

    @property
    def last_commit(self) -> int:
        """How many commits have been written: for `synced`."""
        return self._group_sync.last_commit

    async def synced(self, up_to: int | None = None) -> None:
        """Wait until the first `up_to` commits are on the disk; None: everything that was written by now.

        Raises `Unavailable` when it may not be, ever.
        """
        self.require_open()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._group_sync.answer(done, None, up_to)
        await done

    async def between_commits(self, work: Maintenance) -> bool:
        """Run `work` between two commits. Raises what it raises, and `Unavailable`."""
        self.require_open()
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._requests.put_nowait(_MaintenanceRequest(work, done))
        return await done

    def fail_all(self, error: BaseException) -> None:
        """Give all waiting and later callers the error: from now on nothing can be relied on."""
        self._cause = self._cause or error
        self._failed.set()
        self._group_sync.fail_all()
        while not self._requests.empty():
            request = self._requests.get_nowait()
            if request is not None:
                fail(request.done, disk_failure())
        self._requests.put_nowait(None)  # the writer, if it still lives, has nothing more to do

    async def _write_loop(self) -> None:
        """Make the requested commits one after another, and the maintenance between them."""
        try:
            while (request := await self._requests.get()) is not None:
                if isinstance(request, _MaintenanceRequest):
                    await self._run_maintenance(request)
                else:
                    await self._run_commit(request)
                    await self._after_commit()
                if self.is_idle:
                    self._group_sync.idle()
        except BaseException as error:
            self.fail_all(error)
            raise
        finally:
            self._group_sync.finish()

    async def _sync_loop(self) -> None:
        """Answer commits that are on the disk."""
        try:
            await self._group_sync.run()
        except BaseException as error:
            # What the disk did not keep it may not try to keep again: nothing after this can be relied on.
            self.fail_all(error)
            raise

    async def _run_maintenance(self, request: _MaintenanceRequest) -> None:
        try:
            done = await request.work()
        except BaseException as error:
            fail(request.done, error)
            if isinstance(error, WRITER_STOPS):
                raise
        else:
            answer(request.done, done)

    async def _run_commit(self, request: _CommitRequest) -> None:
        if self._failed.is_set():
            fail(request.done, disk_failure())
            return
        try:
            value = await self._transact(request.work)
        except BaseException as error:
            fail(request.done, error)
            if isinstance(error, WRITER_STOPS):
                raise
            return
        self._record(request, value)

    def _record(self, request: _CommitRequest, value: Any) -> None:
        """Take a commit that was made."""
        self._group_sync.record_commit(request.sync)
        if self._failed.is_set():
            fail(request.done, disk_failure())
        elif request.sync is Sync.AWAIT:
            self._group_sync.answer(request.done, value)
        else:
            answer(request.done, value)


class QueuedDatabase(Reader):
    """The part of :class:`Database` that is the same in both engines: commits go through its `CommitQueue`."""

    _queue: CommitQueue

    async def wait_for_failure(self) -> NoReturn:
        """See `Database`."""
        await self._queue.wait_for_failure()

    async def commit(self, work: Work[T], *, sync: Sync = Sync.AWAIT) -> T:
        """See `Database`."""
        return await self._queue.commit(work, sync=sync)

    @property
    def last_commit(self) -> int:
        """See `Database`."""
        return self._queue.last_commit

    async def synced(self, up_to: int | None = None) -> None:
        """See `Database`."""
        await self._queue.synced(up_to)
