"""Data of the decision: thread, desk, events, actions, facts. Nothing here decides."""
