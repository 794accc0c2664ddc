"""What `quietline init` writes: a line's directory, from answers."""
