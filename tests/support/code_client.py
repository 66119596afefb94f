"""A client of `code_server.py`: prints `cold`, and whether it would leave a server behind, where it finds none."""

from __future__ import annotations

import sys

from sbxcompose.warm import client

if __name__ == "__main__":
    client.PATIENCE = 60.0  # a server that does not get its turn for a second is no reason to run cold here
    leave = client.run()
    print("cold", leave)
    sys.exit(77)
