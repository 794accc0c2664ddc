"""Statements over many tables of the main database at once: what an operator's command asks, leftovers, wrong times."""
