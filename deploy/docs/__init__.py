"""The documentation, and the code that generates part of it."""
