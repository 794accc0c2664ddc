"""The canary: a client of its own that texts the line and answers, to see that both ways are open."""
