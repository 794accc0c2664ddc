"""Commands that people type: registry, parser, what is a note instead, the agency's texts and playbooks behind them."""
