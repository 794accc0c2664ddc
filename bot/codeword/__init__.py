"""The codeword of a phone: enrolment in an office, the check in a thread, and what follows from it."""
