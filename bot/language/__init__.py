"""What words mean: codeword forms, masked texts, times of day. No state, no event."""
