"""Commands that people type: registry, parser, which messages are notes instead, the agency's texts and playbooks."""
