"""What the software says to staff, in each of their languages: notices, and the tables that hold their words."""
