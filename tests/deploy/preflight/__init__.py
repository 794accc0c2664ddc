"""Tests of `deploy/preflight`."""
