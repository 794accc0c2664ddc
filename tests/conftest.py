"""Shared by all tests."""

from __future__ import annotations

# Before anything imports mautrix.crypto: our adapter has to stand where it looks for `olm`.
import bridge.matrix  # noqa: F401
