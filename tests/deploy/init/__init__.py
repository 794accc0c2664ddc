"""Tests of `quietline init`."""
