"""What an operator does with policy packs: lint and preview."""
