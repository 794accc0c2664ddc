"""Metrics of the line for Prometheus, on a listener of their own. None of them names a person."""
