"""Commands that a test itself hands to the fork server of the suite, in place of a client that does.

A client is a Python that starts, hands over and waits: 20 ms of CPU, as much as most commands take in their fork. What
it is needed for is a terminal, job control and signals; a test that looks at the output and the exit code of a command
can send what the client would have sent (`sbxcompose/warm/client.py`).
"""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sbxcompose.warm import circumstances, place, wire

ROOT = Path(__file__).parents[2]
DESCRIBE = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from sbxcompose.warm import circumstances
print(json.dumps(circumstances.own()))
"""
AS_TOOLS = ({"host", "status"}, {"host", "stop"}, {"doctor"})
"""Words of commands that users run cold, in which nothing depends on that, and which tests run often.

`test_cli_fork_server.py` runs them through the real client.
"""
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "USER")
"""Variables that the suite's server has, and a command has them too (`Home.environment`)."""
SMALL = 1 << 16
"""Bytes of standard input that a pipe takes at once (pipe(7))."""


@dataclass(frozen=True)
class Ended:
    """How a command ended: an exit code, or a signal's number below zero, and what it has written."""

    code: int
    stdout: bytes
    stderr: bytes


def run(arguments: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes, timeout: float) -> Ended | None:
    """Run a command in a fork of the server that `env` names; None if it needs a process of its own.

    Raises `subprocess.TimeoutExpired`, after which the fork is gone.
    """
    folder = env.get(place.VARIABLE, "")
    if not folder.startswith("/") or "_SBXCOMPOSE_COMPLETE" in env or len(stdin) > SMALL:
        return None
    if list(arguments[1:]) in (["--version"], ["-V"]):
        return None  # these answer before they look for a server
    if circumstances.variables(env) != circumstances.variables(server_environment()):
        return None
    if threading.current_thread() is not threading.main_thread():
        return None  # a thread may have other rights than its process, whose are read (tests/support/rights.py)
    inherited, status = circumstances.own()
    own = {**inherited, **_of_client()}
    words = [] if any(tool <= set(arguments) for tool in AS_TOOLS) else arguments[1:]
    if circumstances.unsuitable(words, [sys.executable, arguments[0]], status, terminal_input=False):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(place.socket_path(folder, own))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        request = {
            "circumstances": own,
            "arguments": list(arguments),
            "environ": dict(env),
            "umask": int(status["Umask"], 8),
            "ignored": int(status["SigIgn"], 16),
            "descriptors": [0, 1, 2],
            "pid": os.getpid(),
        }
        with _handed_over(sock, request, cwd, stdin) as ends:
            return None if ends is None else _attend(sock, ends, timeout, arguments)


@functools.cache
def _of_client() -> circumstances.Description:
    """Return what of its circumstances a client does not inherit from its parent: one is asked."""
    # Not with `-c`: some flags of the interpreter are part of the description.
    command, env = [sys.executable, "/dev/stdin"], server_environment()
    done = subprocess.run(command, input=DESCRIBE, env=env, capture_output=True, text=True, check=True)
    return {name: json.loads(done.stdout)[0][name] for name in ("interpreter", "package", "variables")}


def server_environment() -> dict[str, str]:
    """Return the variables that the suite's server has."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


@contextmanager
def _handed_over(
    sock: socket.socket, request: dict[str, object], cwd: Path, stdin: bytes
) -> Iterator[tuple[int, int] | None]:
    """Hand everything over and say GO; gives our ends of standard output and error, or None if the fork refuses.

    Leaving the block closes the pipe whose end kills the fork.
    """
    own: list[int] = []
    theirs: list[int] = []
    try:
        in_read, in_write = os.pipe()
        theirs.append(in_read)
        with open(in_write, "wb", buffering=0) as writing:
            writing.write(stdin)
        for _ in range(2):
            read, write = os.pipe()
            own.append(read)
            theirs.append(write)
        lifeline, kept = os.pipe()
        own.append(kept)
        here = os.open(cwd, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        theirs[:0] = [here, lifeline]
        ready = False
        if wire.receive(sock)[0] == wire.HELLO:
            wire.send_request(sock, request, theirs)
            data, descriptors = wire.receive_with_descriptors(sock, 2, 1)
            own += descriptors  # the fork, which nobody has to signal
            ready = data[:1] == wire.READY
        while theirs:
            os.close(theirs.pop())
        if ready:
            wire.send(sock, wire.GO)
        yield (own[0], own[1]) if ready else None
    finally:
        for descriptor in (*own, *theirs):
            os.close(descriptor)


def _attend(sock: socket.socket, ends: tuple[int, int], timeout: float, arguments: Sequence[str]) -> Ended:
    """Read all that the command writes, and how it ends."""
    deadline = time.monotonic() + timeout
    written: dict[int, list[bytes]] = {end: [] for end in ends}
    poll = select.poll()
    for end in ends:
        poll.register(end, select.POLLIN)
    left = len(ends)
    while left:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        for end, _ in ready:
            if data := os.read(end, SMALL):
                written[end].append(data)
            else:
                poll.unregister(end)
                left -= 1
    sock.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        letter, number = wire.receive(sock)
    except ConnectionError:
        letter, number = b"", 0
    assert letter in (wire.EXIT, wire.KILLED, b""), f"asked for what only a terminal can give: {letter!r}"
    code = number if letter == wire.EXIT else -(number or signal.SIGKILL)
    return Ended(code, *(b"".join(written[end]) for end in ends))
