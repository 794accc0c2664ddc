"""Every adapter against a fake of its vendor, over real sockets."""
