"""Metrics of the line for Prometheus, on a listener of their own: how it is, and nothing that names anybody."""
