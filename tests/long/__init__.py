"""What takes long: counted runs of kills, fuzzed webhooks and hours of conversation, each runnable alone."""
