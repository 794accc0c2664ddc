"""How long data is kept: closing and retention, legal hold, audit, number reveal, recap, tally."""
