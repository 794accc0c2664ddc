"""Turns an inbox row into one commit: facts, decision, what is written with it. Timers."""
