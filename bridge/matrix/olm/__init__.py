"""Olm: accounts, sessions, to-device messages, cross-signing, over vodozemac."""
