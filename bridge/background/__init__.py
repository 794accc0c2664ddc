"""Work that runs beside the texts: one loop, one queue of owners, one back-off, and what a damaged page does to a loop."""
