"""The `quietline` command; see :mod:`deploy.cli.main`."""

from deploy.cli.main import main

if __name__ == "__main__":
    main()
