"""From an inbox row to one commit: facts, decision, what is written with it; timers."""
