"""The Spanish of every notice, by area. Rules of wording: decisions/desk.md, "Spanish for staff"."""
