"""What words mean: codeword forms, marks of a room note, times of day. No state, no event."""
