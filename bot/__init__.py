"""The policy, pure: events in, actions out. It reads no clock, draws no random number, does no I/O and does not log."""
