"""Storage: the main database with its one writer, the write-ahead log, the key file, the vault."""
