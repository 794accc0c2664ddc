"""What `quietline doctor` asks: every part of a line at once, each within a time limit of its own."""
