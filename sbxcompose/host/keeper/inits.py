"""The init processes of isolated sandboxes: started when something is first started in one, held, and killed."""

from __future__ import annotations

import errno
import os
import select
import sys

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.census import mark_of, tag_of
from sbxcompose.host.keeper.enter import NAMESPACES, READY, fork_sibling, report, take_streams
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.keeper.fork_exec import read_failure
from sbxcompose.host.keeper.namespaces import CLONE_NEWNET
from sbxcompose.host.keeper.protocol import MARKER
from sbxcompose.light import dumps, signal
from sbxcompose.linux import kernel, syscalls
from sbxcompose.linux.processes import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PREFIX = "init:"
"""What the names of their pidfds begin with, among what the keeper holds; then comes the sandbox's id."""
PATIENCE = 10.0
"""Seconds that an init process may take to build the root; it takes some 20 ms."""
TIMED_OUT = "its init process does not answer"
"""How the message begins that says so: of a machine under load, and not of what it permits."""
_SNIPPET = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from sbxcompose.host.keeper.sandbox_init import main; sys.exit(main())"
)


class SandboxInit:
    """A running init process."""

    __slots__ = ("pid", "pidfd", "user")

    def __init__(self, pid: int, pidfd: int, *, user: bool) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.user = user
        """Whether the sandbox has a user namespace of its own."""

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        ready = select.poll()
        ready.register(self.pidfd, select.POLLIN)
        return not ready.poll(0)


def unit_of(sandbox: str) -> str:
    """Return the name by which the init process of a sandbox is found again, as if it led a unit."""
    return f"{sandbox}.@init"


def is_init(unit: str | None) -> bool:
    """Return whether a unit is the init process of a sandbox."""
    return unit is not None and unit.endswith(unit_of(""))


class Inits:
    """Those of all sandboxes. `host` is the path of the keeper's lock."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._plans: dict[str, dict[str, Any]] = {}
        self._running: dict[str, SandboxInit] = {}

    @property
    def pids(self) -> dict[int, str]:
        """The sandboxes by the pids of the init processes."""
        return {init.pid: sandbox for sandbox, init in self._running.items()}

    @property
    def pidfds(self) -> dict[str, int]:
        """The pidfds of those that run, by the names under which servers keep them."""
        return {PREFIX + sandbox: init.pidfd for sandbox, init in self._running.items()}

    def plan(self, sandbox: str, plan: dict[str, Any]) -> None:
        """Learn how the root of a sandbox is built; what runs is left as it is."""
        self._plans[sandbox] = plan

    def adopt(self, sandbox: str, pidfd: int) -> None:
        """Take over one that another keeper has started."""
        found = read_file(f"/proc/self/fdinfo/{pidfd}").partition(b"Pid:")[2].split()
        pid = int(found[0]) if found else -1
        if pid <= 0:
            os.close(pidfd)
            return
        self._forget(sandbox)
        self._running[sandbox] = SandboxInit(pid, pidfd, user=os.geteuid() != 0)

    def find(self, sandbox: str) -> SandboxInit | None:
        """Return the init process of a sandbox that runs."""
        found = self._running.get(sandbox)
        return found if found is not None and found.alive else None

    def start(self, sandbox: str) -> SandboxInit:
        """Start the init process of a sandbox and wait until its root is built. Raises `CannotSpawn`."""
        plan = self._plans.get(sandbox)
        if plan is None:
            raise CannotSpawn(f"the isolation of sandbox {sandbox} is unknown", errno.ENOENT)
        self._forget(sandbox)
        pid, problem = self._launch(sandbox, plan)
        if problem is None:
            try:
                init = SandboxInit(pid, os.pidfd_open(pid), user=bool(plan["user"]))
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
            else:
                self._running[sandbox] = init
                return init
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise CannotSpawn(f"the sandbox cannot be isolated: {problem}", errno.EPERM)

    def _launch(self, sandbox: str, plan: dict[str, Any]) -> tuple[int, str | None]:
        """Return the pid (0: none) and what went wrong."""
        plan_file = _file_of(plan)
        told_read, told_write = os.pipe2(os.O_CLOEXEC)
        error_read, error_write = os.pipe2(os.O_CLOEXEC)
        tag = tag_of(self._host, unit_of(sandbox))
        environment = {MARKER: mark_of(unit_of(sandbox), tag)}
        fds = [plan_file, told_write, 2]
        try:
            pid = fork_sibling(lambda: _leave(plan), lambda: _exec(fds, error_write, environment), error_write)
        except OSError as error:
            os.close(told_read)
            return 0, f"starting its init process: {(error.strerror or str(error)).lower()}"
        finally:
            for fd in (plan_file, told_write, error_write):
                os.close(fd)
            failure = read_failure(error_read)
        try:
            if failure or not pid:
                number = int(failure.split(b":")[1], 16) if failure else errno.EIO
                return pid, f"making namespaces: {os.strerror(number).lower()}"
            return pid, _answer(told_read)
        finally:
            os.close(told_read)

    def drop(self, sandbox: str, *, forget_plan: bool = False) -> None:
        """Kill the init process of a sandbox, and with it everything there."""
        init = self._running.get(sandbox)
        if init is not None:
            kernel.signal_process(init.pidfd, signal.SIGKILL)
        self._forget(sandbox)
        if forget_plan:
            self._plans.pop(sandbox, None)

    def kill_all(self) -> None:
        """Leave none."""
        for sandbox in list(self._running):
            self.drop(sandbox)

    def _forget(self, sandbox: str) -> None:
        init = self._running.pop(sandbox, None)
        if init is not None:
            os.close(init.pidfd)


def _leave(plan: dict[str, Any]) -> None:
    """Enter new namespaces, in the helper; without root a user namespace, too, with one user."""
    user: dict[str, int] | None = plan["user"]
    if user:
        # What /proc has of a process that is not dumpable belongs to root (proc(5)), its uid_map too.
        syscalls.set_dumpable(True)
        own = os.geteuid(), os.getegid()
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        # Without privileges a group may be mapped only once setgroups(2) is given up (user_namespaces(7)).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user['uid']} {own[0]} 1")
        _write("/proc/self/gid_map", f"{user['gid']} {own[1]} 1")
    # A server of an older version does not say whether the network is closed.
    syscalls.unshare(NAMESPACES | (CLONE_NEWNET if plan.get("closed") else 0))
    if user:  # whose id is not 0: an exec would take its capabilities, which building the root needs
        syscalls.keep_capabilities_at_exec()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _exec(fds: list[int], errors: int, environment: dict[str, str]) -> NoReturn:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    try:
        os.setsid()
        take_streams(fds, errors)
        # Neither the caller's variables and directory (-I) nor `site` (-S) may have a say in it, and it starts sooner.
        os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", _SNIPPET, root], environment)
    except OSError as error:
        report(errors, error)
    finally:
        os._exit(255)


def _file_of(plan: dict[str, Any]) -> int:
    """Return a descriptor from which a plan of any size can be read. To write it into a pipe could hold the keeper up:
    a pipe takes as little as two pages at once.
    """
    file = os.memfd_create("plan")
    os.write(file, dumps(plan))
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _answer(read: int) -> str | None:
    """Return what an init process says, None if the root is built."""
    waiting = select.poll()
    waiting.register(read, select.POLLIN)
    deadline = monotonic() + PATIENCE
    answer = b""
    while not answer.endswith(b"\n"):
        left = deadline - monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return f"{TIMED_OUT} within {PATIENCE:.0f} s"
        piece = os.read(read, 4096)
        if not piece:
            return "its init process ended at once"
        answer += piece
    line = answer.strip()
    return None if line == READY else line.decode("utf-8", "replace")
