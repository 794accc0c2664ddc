"""Pages for people, each in two languages, and what every generated page is put together from."""
