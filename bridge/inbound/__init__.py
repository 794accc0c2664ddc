"""The two ways in: the carrier's webhook (with backfill and screening) and Matrix events from the sync."""
