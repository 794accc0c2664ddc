"""What an operator needs of a carrier: the check, copies, signatures, registration, the exposure sheet."""
