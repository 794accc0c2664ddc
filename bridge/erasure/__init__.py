"""Erases what has ended and checks that it is gone: expiry, jobs, carrier copies, certificates, nightly maintenance."""
