"""Releases: what is handed out, byte for byte the same from the same commit, and what it is made of."""
