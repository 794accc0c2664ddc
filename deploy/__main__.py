"""The `quietline` command; see :mod:`deploy.cli.main`."""

import gc

# What is imported stays: to look through it for garbage, again and again, is a tenth of a start.
gc.set_threshold(20_000)

from deploy.cli.main import main  # noqa: E402 - what it imports is meant

if __name__ == "__main__":
    main()
