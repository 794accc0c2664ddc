"""The English of every notice, by area."""
