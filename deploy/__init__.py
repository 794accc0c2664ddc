"""What an operator touches: the command, the homeserver, the rehearsal carrier. Nothing imports it."""
