"""The checks of `quietline doctor`: every part of a line at the same time, each with its own time limit."""
