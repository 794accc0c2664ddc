"""The one way out: the outbox dispatcher, SMS, room messages, pages to people on call."""
