"""Inspects a line and reports on it: status, doctor, audit, reports, practices."""
