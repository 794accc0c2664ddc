"""Commands that people type: the registry, the parser, the agency's texts and the playbooks behind them."""
