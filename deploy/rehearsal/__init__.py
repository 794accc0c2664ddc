"""A carrier to rehearse with: handsets in a browser, no telephone network. Only a line marked `rehearsal: true` uses it."""
