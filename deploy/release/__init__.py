"""Releases: their files, byte for byte the same from the same commit, and their bill of materials."""
