"""The monthly report as a page with plots, as PDF and as JSON."""
