"""Start the rehearsal carrier: `python -P -m deploy.rehearsal --config FILE`.

Rule of this module: the log says where an error occurred, never the content of a request. Exit codes: 0 stopped, 1 cannot
listen, 2 usage or configuration.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import traceback
from pathlib import Path

from deploy.rehearsal.server import run_carrier
from deploy.rehearsal.settings import Settings, load
from policies import ProblemsError


class ContentFree(logging.Formatter):
    """Print level, logger and the places of a traceback. Messages and texts of exceptions may contain a number or words."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record without its message."""
        line = f"{record.levelname} {record.name} {Path(record.pathname).name}:{record.lineno}"
        if not record.exc_info or record.exc_info[0] is None:
            return line
        frames = traceback.extract_tb(record.exc_info[2])
        places = "".join(f"\n  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
        return f"{line} {record.exc_info[0].__name__}{places}"


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="deploy.rehearsal", description="A carrier to rehearse with.")
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the carrier's settings")
    try:
        settings = load(parser.parse_args(arguments).config)
    except ProblemsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    output = logging.StreamHandler()
    output.setFormatter(ContentFree())
    logging.basicConfig(level=logging.WARNING, handlers=[output])
    try:
        asyncio.run(_serve(settings))
    except ProblemsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    except OSError as error:
        print(f"cannot listen: {error.strerror}", file=sys.stderr)  # noqa: T201 - for the person who started it
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with run_carrier(settings) as port:
        print(f"handsets at http://{settings.host}:{port}/", flush=True)  # noqa: T201 - for the person who started it
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
