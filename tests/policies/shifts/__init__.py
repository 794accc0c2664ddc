"""Tests of `policies/shifts`."""
