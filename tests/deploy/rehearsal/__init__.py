"""The rehearsal carrier: what its users may rely on."""
