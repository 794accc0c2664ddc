"""What every part runs on: clock, log, crash points, settings, priority gate, phone numbers."""
