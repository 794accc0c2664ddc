"""The tables of the main database, and the lease beside it."""
