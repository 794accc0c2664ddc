"""What looks at a line and says how it is: status, doctor, audit, reports, practices."""
