"""Who leads: the lease in PostgreSQL, the process that holds it, and what a process may do that may have lost it."""
