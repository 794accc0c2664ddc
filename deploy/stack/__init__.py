"""What `quietline up` runs: homeserver, bridge, rehearsal carrier, and the code that restarts them."""
