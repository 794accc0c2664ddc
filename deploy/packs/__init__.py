"""Policy packs at an operator's hand: lint and preview."""
