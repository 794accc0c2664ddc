"""Work that runs beside the texts: one loop, one queue of owners and one back-off."""
