"""Tests of drills: whole ones with a set clock, and what each part says."""
