"""Tests of `deploy/doctor`."""
