"""The keeper: parent of every child and holder of their pipes, so that the server may die at any moment.

Small on purpose: one thread, the standard library, and of that only what is light.
"""

from __future__ import annotations

import os
import sys

from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.host_descriptors import HostDescriptors
from sbxcompose.host.keeper.life import Keeper
from sbxcompose.host.keeper.listen import CannotListen, listen_somewhere, listen_tcp, take_lock
from sbxcompose.host.keeper.log import log, write
from sbxcompose.host.keeper.options import KeeperOptions
from sbxcompose.host.keeper.spawn import Limits
from sbxcompose.light import dumps, signal, socket
from sbxcompose.linux import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOG_SIZE = 1 << 20
"""Bytes of host.log after which, at the next start, it becomes host.log.1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a keeper; its exit status: 0 ended or not needed, 1 the server cannot run, 3 cannot listen.

    1 in the foreground also where another host has the lock.
    """
    options = KeeperOptions(sys.argv[1:] if argv is None else argv)
    _become_clean(options)
    if options.take_over >= 0 and os.getppid() != options.server_pid:
        options.server_pid = -1  # died while it started us
    limits = Limits(None if options.soft_files < 0 else options.soft_files)
    try:
        _check_log(options)
        descriptors = _take_descriptors(options)
    except CannotListen as error:
        _report(options, {"status": "failed", "code": error.code, "message": error.message})
        return 3
    if descriptors is None:
        _report(options, {"status": "taken"})
        return 0 if options.detach or options.take_over >= 0 else 1
    if (options.detach or options.take_over >= 0) and os.fork():
        os._exit(0)
    _detach(options)
    descriptors.record()
    keeper = Keeper(options, descriptors, limits)
    keeper.start()
    if not kernel.become_subreaper():
        log("cannot adopt orphans (PR_SET_CHILD_SUBREAPER); processes that leave their session may be left behind")
    _report(options, _ready(descriptors, keeper))
    status = keeper.run()
    descriptors.leave()
    return status


def _become_clean(options: KeeperOptions) -> None:
    """Undo what the starting shell has left to us: ignored and blocked signals, open descriptors."""
    # Ignored and blocked signals are inherited through fork and exec (signal(7)): by us, and by all units from us.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in range(1, signal.NSIG):
        # Python itself ignores these two, so that writing to a closed pipe raises an error and does not kill.
        if number not in (signal.SIGPIPE, signal.SIGXFSZ) and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    kept = {options.ready_fd, options.take_over, options.lock_fd, options.listen_fd, options.tcp_fd}
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd in kept:
            os.set_inheritable(fd, False)
        elif fd > 2:
            _close(fd)


def _take_descriptors(options: KeeperOptions) -> HostDescriptors | None:
    """Lock and listen, or inherit both; None when another host has the lock. Raises `CannotListen`."""
    if options.take_over >= 0:
        tcp = None if options.tcp_fd < 0 else socket.socket(fileno=options.tcp_fd)
        descriptors = HostDescriptors(options, options.lock_fd, socket.socket(fileno=options.listen_fd), tcp)
        known = hostrecord.read(options.lock)
        descriptors.path, descriptors.identity = (known.socket, known.identity) if known else (options.socket, [])
        return descriptors
    lock = take_lock(options.lock)
    if lock is None:
        return None
    tcp = None if options.tcp < 0 else listen_tcp(options.tcp)
    path, unix = listen_somewhere(options.sockets)
    descriptors = HostDescriptors(options, lock, unix, tcp)
    descriptors.path, descriptors.identity = path, hostrecord.identity_of(path)
    return descriptors


def _check_log(options: KeeperOptions) -> None:
    """Refuse a log that is not a file: a link leads anywhere, and to open a FIFO waits forever.

    Raises `CannotListen`.
    """
    if (
        options.detach
        and os.path.lexists(options.log)
        and (os.path.islink(options.log) or not os.path.isfile(options.log))
    ):
        raise CannotListen(f"{options.log} is not a regular file; remove it", "log")


def _detach(options: KeeperOptions) -> None:
    """Leave the terminal, if asked to, and everything else that ties us to who started us."""
    if options.detach or options.take_over >= 0:
        os.setsid()
    if options.detach:
        if os.path.exists(options.log) and os.path.getsize(options.log) > LOG_SIZE:
            os.rename(options.log, f"{options.log}.1")
        null = os.open("/dev/null", os.O_RDWR)
        out = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(null)
        os.close(out)
    # A file system can only be unmounted once no process has its directory there (umount(2)).
    os.chdir("/")
    # State, logs and sockets are this user's alone; what units get is in their `ExecContext`.
    os.umask(0o077)


def _ready(descriptors: HostDescriptors, keeper: Keeper) -> dict[str, object]:
    return {
        **{"status": "ready", "pid": os.getpid(), "server_pid": keeper.server_pid},
        **{"socket": descriptors.path, "tcp": descriptors.address},
    }


def _report(options: KeeperOptions, words: dict[str, object]) -> None:
    """Tell who started us, once: one JSON object on one line, then the pipe is closed."""
    if options.ready_fd < 0:
        if "message" in words:
            os.write(2, f"sbxcompose host: {words['message']}\n".encode())
        return
    write(options.ready_fd, dumps(words) + b"\n")
    os.close(options.ready_fd)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:  # the descriptor by which the directory was listed
        return
