"""Rooms: templates, state, media, and the probe that looks for what should be gone."""
