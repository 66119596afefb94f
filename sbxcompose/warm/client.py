"""The command as a client of the fork server: it hands over all that it has, and stands in for the fork.

It stays in its caller's process group and on its terminal, so signals, job control and exit codes are its business.
Imports little: what it saves is imports.
"""

from __future__ import annotations

import os
import sys

from sbxcompose.warm import circumstances, place, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import NoReturn
else:
    import _signal as signal  # `signal` and `socket` make many enumerations when they are imported
    import _socket as socket

PATIENCE = 1.0
"""Seconds that a server may take to make a fork."""
FIRST_POLL = 0.1
"""Seconds after which a server that has not answered is looked at: a stopped one will not answer."""
FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
)
WINDOW_CHANGE = getattr(signal, "SIGWINCH", signal.SIGCONT)


def run() -> bool:
    """Run this command in a fork of the server and exit with its code.

    Returns if it has to run in this process: whether it should start a server for those that follow.
    """
    if place.is_off(os.environ):
        return False
    try:
        for number in (0, 1, 2):
            os.fstat(number)  # a closed one would be the number of the next file that is opened
        own, status = circumstances.own()
        if circumstances.unsuitable(sys.argv[1:], sys.orig_argv, status, terminal_input=os.isatty(0)):
            return False
        folder = place.directory(os.environ)
        if not place.is_private(folder):
            return not os.path.lexists(folder) and place.may_start(os.environ)
        return _ask(place.socket_path(folder, own), own, status)
    except (OSError, ValueError):
        return False


def _inherited() -> list[int]:
    """Return the numbers of all descriptors inherited from the caller; the command's own are closed by an exec."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number < 3 or os.get_inheritable(number):
                found.append(number)
        except OSError:
            continue  # of the directory that was just read
    return found


def _in_foreground() -> bool:
    """Return whether every terminal among the standard streams is the controlling one, and we are in its foreground."""
    for number in (0, 1, 2):
        if os.isatty(number):
            try:
                if os.tcgetpgrp(number) != os.getpgrp():
                    return False
            except OSError:
                return False
    return True


def _ask(path: str, own: circumstances.Description, status: dict[str, str]) -> bool:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(FIRST_POLL)
    try:
        sock.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return place.may_start(os.environ)
    server, uid, _ = peer(sock)
    descriptors = _inherited()  # while the server forks
    if uid != os.getuid() or len(descriptors) > wire.MAX_DESCRIPTORS - 2 or not _in_foreground():
        return False
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    lifeline, kept = os.pipe()  # `kept` is closed by our end, however that comes, which kills the fork (`_die_with`)
    request = {
        "circumstances": own,
        "arguments": sys.argv,
        "environ": dict(os.environ),
        "umask": int(status["Umask"], 8),
        "ignored": int(status["SigIgn"], 16),
        "descriptors": descriptors,
        "pid": os.getpid(),
    }
    fork = None
    if _is_answered(sock, server):
        wire.send_request(sock, request, [here, lifeline, *descriptors])
        fork = _fork_of(sock)
    os.close(here)
    os.close(lifeline)
    if fork is None:
        os.close(kept)
        sock.close()
        return False
    _stand_in(StandIn(sock, fork), int(status["SigIgn"], 16))


def peer(sock: socket.socket) -> tuple[int, int, int]:
    """Return pid, uid and gid of who listens at the other end."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = (int.from_bytes(data[start : start + 4], sys.byteorder) for start in (0, 4, 8))
    return pid, uid, gid


def _is_answered(sock: socket.socket, server: int) -> bool:
    """Return whether a fork says hello in time."""
    try:
        return wire.receive(sock)[0] == wire.HELLO
    except TimeoutError:
        if is_stopped(server):
            return False
        sock.settimeout(PATIENCE)
        return wire.receive(sock)[0] == wire.HELLO


def _fork_of(sock: socket.socket) -> int | None:
    """Return the pidfd of the fork that is ready to begin, or None if this command has to run cold."""
    sock.settimeout(PATIENCE)
    data, descriptors = wire.receive_with_descriptors(sock, 2, 1)
    return descriptors[0] if data[:1] == wire.READY and descriptors else None


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped, or dead."""
    try:
        return stat_of(pid)[0] in ("T", "t", "Z", "X")
    except OSError:
        return True


def stat_of(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name: state, parent, group, session, terminal, foreground …"""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].decode().split()


def _stand_in(stand_in: StandIn, ignored: int) -> NoReturn:
    for number in (*FORWARDED, WINDOW_CHANGE):
        # A shell has its background jobs ignore SIGINT; commands listen to it all the same (cli/entry.py).
        if number == signal.SIGINT or not ignored >> (number - 1) & 1:
            signal.signal(number, stand_in.forward)
    code = 1
    try:
        code = stand_in.attend()
    finally:
        os._exit(code)


class StandIn:
    """What stands on the terminal for a fork that cannot: forwards signals, stops and ends as it does."""

    def __init__(self, sock: socket.socket, fork: int) -> None:
        """`fork` is a pidfd."""
        self._sock = sock
        self._fork = fork
        self._reading = False

    def forward(self, number: int, _frame: object = None) -> None:
        """Give a signal to the fork."""
        try:
            signal.pidfd_send_signal(self._fork, number)
        except ProcessLookupError:
            return  # its exit code is on the way

    def attend(self) -> int:
        """Begin, and return the exit code."""
        self._sock.settimeout(None)
        wire.send(self._sock, wire.GO)
        while True:
            letter, number = self._receive()
            if letter == wire.EXIT:
                return number
            if letter == wire.KILLED or not letter:
                return _die(number or signal.SIGKILL)
            if letter == wire.READING:
                self._reading = bool(number)
            elif letter in (wire.STOP, wire.STOP_GROUP):
                self._stop(number, group=letter == wire.STOP_GROUP)

    def _receive(self) -> tuple[bytes, int]:
        try:
            return wire.receive(self._sock)
        except ConnectionError:
            return b"", 0

    def _stop(self, number: int, *, group: bool) -> None:
        """Stop the fork and ourselves until we are continued."""
        signal.pidfd_send_signal(self._fork, signal.SIGSTOP)
        gone = _stop_here(number, group=group)
        while self._reading and not gone and not _in_foreground():
            gone = _stop_here(signal.SIGTTIN, group=True)  # as the kernel does with who reads in the background
        self.forward(signal.SIGCONT)
        try:
            wire.send(self._sock, wire.RESUME, int(gone))
        except OSError:
            return  # it has ended


def _stop_here(number: int, *, group: bool) -> bool:
    """Stop this process until it is continued; True if the kernel does not stop it, because no shell would know."""
    before = {}
    for handled in {number, signal.SIGCONT} - {signal.SIGSTOP}:
        before[handled] = signal.signal(handled, signal.SIG_DFL)
    if group:
        os.killpg(os.getpgrp(), number)
    else:
        os.kill(os.getpid(), number)
    for handled, handler in before.items():
        signal.signal(handled, handler)
    return number != signal.SIGSTOP and os.getsid(os.getppid()) != os.getsid(0)


def _die(number: int) -> int:
    """End by a signal, as the fork has."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
