"""Drills: a scripted texter on a rehearsal line, what it hears of the advocate, and the debrief."""
