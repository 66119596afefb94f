"""A fork server whose commands are Python code, and its client: the hand-over, without all that a real command needs.

`python -m tests.support.code_server [IDLE]` is the server. `CLIENT` is a client's program: it runs its last argument
in a fork of the server, or prints `cold` where it would have to run it itself.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

CLIENT = Path(__file__).with_name("code_client.py")


def run_code() -> int:
    """Run the code in the last argument; its exit code is `code`, 0 by default."""
    names: dict[str, object] = {"code": 0, "arguments": sys.argv[1:-1]}
    try:
        exec(compile(sys.argv[-1], "<test>", "exec"), names)
    except BaseException:
        traceback.print_exc()
        return 99
    sys.stdout.flush()
    return int(str(names["code"]))


def main() -> None:
    from sbxcompose.cli import standard_streams
    from sbxcompose.warm import handover
    from sbxcompose.warm.listen import listen
    from sbxcompose.warm.server import IDLE, ForkServer

    if extra := os.environ.get("TEST_MODULE"):  # one more file that the server is made of
        sys.path.insert(0, os.path.dirname(extra))
        __import__(Path(extra).stem)
    handover.PATIENCE = 60.0  # nor is a client that does not
    listener = listen()
    assert listener is not None

    def command() -> int:
        standard_streams.prepare()
        return run_code()

    server = ForkServer(listener, command, float(sys.argv[1]) if sys.argv[1:] else IDLE)
    print("listening", flush=True)
    server.run()


if __name__ == "__main__":
    main()
