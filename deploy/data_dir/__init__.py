"""The data directory: its layout, its files, secrets, and access beside a running line."""
