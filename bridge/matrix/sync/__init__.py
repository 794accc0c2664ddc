"""The sync loop: one response, one commit; device lists, one-time keys, unwedging."""
