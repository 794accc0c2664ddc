"""Drills: the script of a texter on a rehearsal line, what it learns of the advocate's acts, and the debrief."""
