"""The homeserver's side: what is said in rooms, its encryption, and what only a homeserver can do."""
