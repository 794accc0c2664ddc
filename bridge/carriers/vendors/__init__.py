"""One module for each vendor or gateway."""
