"""`python -m drills.toxiproxy`: the server, in the foreground."""

import argparse
import sys
from pathlib import Path

from drills.errors import Exit
from drills.toxiproxy.server import serve
from drills.toxiproxy.wire import ApiError


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 then, 4 when the address cannot be had."""
    parser = argparse.ArgumentParser(prog="drills toxiproxy", description="Toxiproxy-compatible proxy server")
    parser.add_argument("--host", default="127.0.0.1", help="address of the HTTP API")
    parser.add_argument("--port", default=8474, type=int, help="port of the HTTP API; 0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="gets {port, pid} as JSON when the API listens")
    options = parser.parse_args(arguments)
    try:
        serve(options.host, options.port, options.ready_file)
    except ApiError as error:
        print(f"drills toxiproxy: {error}; choose another --host or --port", file=sys.stderr)  # noqa: T201
        return int(Exit.ABORTED)
    return int(Exit.PASSED)


if __name__ == "__main__":
    sys.exit(main())
