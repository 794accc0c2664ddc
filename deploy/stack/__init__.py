"""What `quietline up` runs: homeserver, bridge, rehearsal carrier, and who watches them."""
