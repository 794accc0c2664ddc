"""How long what is kept: closing and retention, legal hold, audit, number reveal, recap, tally."""
