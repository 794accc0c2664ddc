"""What people see: the card of a thread, the board of the desk, the cards of waiting threads."""
