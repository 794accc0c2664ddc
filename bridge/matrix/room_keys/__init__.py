"""Megolm: outbound and inbound sessions, sharing, bundles, history, pruning."""
