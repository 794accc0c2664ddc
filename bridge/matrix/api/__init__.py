"""The homeserver's HTTP API: client, module and admin endpoints, events and message contents."""
