"""The process: it puts all parts together, starts them and stops them."""
