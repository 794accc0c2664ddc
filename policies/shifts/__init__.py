"""Shifts: who is on shift by a calendar (the pack's, or a file in RFC 5545), when that changes, and when nobody is."""
