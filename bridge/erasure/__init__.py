"""What is over goes, and is looked for: expiry, erasure jobs, carrier copies, certificates, nightly maintenance."""
