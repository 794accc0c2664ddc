"""Makes Synapse's bookkeeping about itself cheap, for forks of tests. It takes effect when it is imported.

Rule of this module: nothing that a client, the bridge or the database can see changes. Synapse's counts of its own work,
which no test reads, are not kept; random names of its internal contexts, which only its debug log shows, are one name; what
it computes again at each request from the same values is computed once; and Python collects garbage, in place of a loop
that looks ten times a second. Together they are a fifth of its CPU. Only forks import it: a homeserver that a test starts
by its command is as released. What another version of Synapse lacks is not replaced.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram, Summary
from synapse.app import _base
from synapse.logging import context
from synapse.storage import database
from synapse.util import clock
from twisted.web import http


def _do_nothing(*_: Any, **__: Any) -> None:
    """Take the place of a count, or of the start of that loop."""


def _with_any_labels(metric: Any, *_: Any, **__: Any) -> Any:
    """Return the metric itself in place of that of some labels."""
    return metric


def _same_name(length: int) -> str:
    """Return the name of every internal context."""
    return "x" * length


def _as_it_is(_transaction: Any, sql: str) -> str:
    """Return a statement for the debug log."""
    return sql


def _replace(owner: Any, **functions: Any) -> None:
    """Replace the functions that are there."""
    for name, function in functions.items():
        if hasattr(owner, name):
            setattr(owner, name, function)


def _compute_once(owner: Any, name: str) -> None:
    """Make a function remember its last results."""
    if hasattr(owner, name):
        setattr(owner, name, lru_cache(2048)(getattr(owner, name)))


for counts in (Counter, Gauge, Histogram, Summary):
    _replace(counts, labels=_with_any_labels)
_replace(Counter, inc=_do_nothing)
_replace(Gauge, inc=_do_nothing, dec=_do_nothing, set=_do_nothing, set_function=_do_nothing)
_replace(Histogram, observe=_do_nothing)
_replace(Summary, observe=_do_nothing)
_replace(_base, install_gc_manager=_do_nothing)
_replace(context, random_string_insecure_fast=_same_name)
_replace(clock, random_string_insecure_fast=_same_name)
_replace(database.LoggingTransaction, _make_sql_one_line=_as_it_is)
_compute_once(inspect, "getfullargspec")
_compute_once(http, "_parseContentType")
