"""The agency's calendar of shifts: its file or address, the copy that is kept of it, and what the desk hears of it."""
