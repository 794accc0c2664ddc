"""Long tests: counted runs of kills, fuzzed webhooks and hours of conversation, each of which can run alone."""
