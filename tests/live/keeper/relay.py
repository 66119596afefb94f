"""A server that gives away what it inherits: whoever connects to the host's socket gets the keeper's channel.

So a test can be the server, and still kill it.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys

sys.path.insert(0, sys.argv[1])

from sbxcompose.host.keeper.inherit import Inherited


def main() -> None:
    inherited = Inherited.take()
    with socket.socket(fileno=os.dup(inherited.listen_fd)) as listener:
        connection, _ = listener.accept()
    words = {
        "pid": os.getpid(),
        "keeper": inherited.keeper_pid,
        "argv": inherited.restart.argv,
        "environment": dict(os.environ),
    }
    fds = array.array("i", [inherited.control_fd, inherited.lock_fd, inherited.listen_fd])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
    connection.sendmsg([json.dumps(words).encode() + b"\n"], rights)
    connection.close()
    while True:
        signal.pause()


main()
