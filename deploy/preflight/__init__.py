"""The checks of `quietline check` before a line runs: everything that stops a start, and the access from outside."""
