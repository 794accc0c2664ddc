"""The bridge: carriers, Matrix, store, vault, engine, outbox. It carries and keeps; it decides nothing."""
