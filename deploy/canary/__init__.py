"""The canary: a separate client that texts the line and answers, to check both directions."""
