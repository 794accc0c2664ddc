"""Pages for people, each in two languages, and the parts from which every generated page is built."""
