"""What `quietline check` asks before a line runs: everything that stops a start, and the way from outside."""
