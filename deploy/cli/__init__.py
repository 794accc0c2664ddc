"""The command `quietline` and its verbs."""
