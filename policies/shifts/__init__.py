"""Shifts: who is on by the calendar of the pack, when that changes, and when nobody is."""
