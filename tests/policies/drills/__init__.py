"""Tests of drills as data."""
