"""Starting a process in the namespaces of an isolated sandbox, as a child of the keeper all the same.

The keeper forks a helper, which enters the namespaces and forks once more; that child is made the helper's sibling, so
that the keeper watches and reaps it like any other. The keeper itself never leaves its own namespaces.
Costs 0.9 ms more than `fork_exec`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import termios

from sbxcompose.light import signal
from sbxcompose.linux import seccomp, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from sbxcompose.host.keeper.execution import ExecContext, Program

NAMESPACES = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
"""Those of an isolated sandbox besides the network. All are entered at once, through a pidfd of its init process."""
CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP = 0, 1, 3, 4, 5, 6, 7, 8
NET_BIND_SERVICE, SYS_CHROOT, SETFCAP = 10, 18, 31
CAPABILITIES = frozenset(
    {CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, SETFCAP}
)
"""What root may do in an isolated sandbox: as in a container of Docker, without device nodes and raw sockets."""
READY = b"ready"
"""What the init process of an isolated sandbox says once the root is built."""
_LARGEST = 1 << 30
_NULL = os.makedev(1, 3)


def join(context: ExecContext, pidfd: int, *, user: bool) -> None:
    """Enter an isolated sandbox, in the helper. `user`: it has a user namespace, too."""
    syscalls.set_dumpable(False)  # what is in the sandbox must not look into a process that is still the keeper's
    context.prepare()  # before it enters: the machine's control groups are out of sight in there
    syscalls.setns(pidfd, NAMESPACES | (syscalls.CLONE_NEWUSER if user else 0))


def fork_sibling(prepare: Callable[[], None], child: Callable[[], NoReturn], errors: int) -> int:
    """Fork a helper that carries out `prepare` and forks a child of this process; the child's pid, 0 if there is none.

    A failure of the helper is written to `errors`, in the manner of `fork_exec`. Raises `OSError`.
    """
    # Now, since the files that they are loaded from may be out of sight in the namespaces.
    syscalls.load()
    seccomp.load()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        helper = os.fork()
        if helper == 0:
            _help(prepare, child, writer, errors)
        os.close(writer)
        writer = -1
        os.waitpid(helper, 0)
        return int(os.read(reader, 32) or b"0")
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _help(prepare: Callable[[], None], child: Callable[[], NoReturn], writer: int, errors: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)  # the pipe is shared with the keeper, which would take our signals for its own
        prepare()
        pid = syscalls.clone_sibling()
        if pid == 0:
            child()
        os.write(writer, b"%d" % pid)
    except OSError as error:
        report(errors, error, b"enter")
    finally:
        os._exit(0)  # the code says nothing: a failure has been written to `errors`


def report(errors: int, error: OSError, where: bytes = b"") -> None:
    """Tell the keeper of a failure, in the manner of `_posixsubprocess`."""
    os.write(errors, b"OSError:%x:%s" % (error.errno or errno.EIO, where))


def exec_inside(program: Program, context: ExecContext, fds: list[int], errors: int, *, terminal: bool) -> NoReturn:
    """Be the program, in the namespaces that this child was forked into; what fails is written to `errors`."""
    where = b"noexec"
    try:
        os.setsid()
        take_streams(fds, errors, terminal=terminal)
        _take_own_null()
        os.umask(context.umask)
        if context.cwd is not None:
            os.chdir(context.cwd)
        _switch(*context.identity())
        where = b""
        _exec(program)
    except OSError as error:
        report(errors, error, where)
    finally:
        os._exit(255)


def take_streams(fds: list[int], errors: int, *, terminal: bool = False) -> None:
    """Make these the standard streams, and close all others but `errors`."""
    above = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in fds]
    for number, fd in enumerate(above):
        os.dup2(fd, number)
    if terminal:
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    os.closerange(3, errors)
    os.closerange(errors + 1, _LARGEST)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what is ignored stays so after an exec
        signal.signal(number, signal.SIG_DFL)


def _take_own_null() -> None:
    """Hold the sandbox's null device in place of the machine's: root here may change the mode of what it holds."""
    for number in range(3):
        found = os.fstat(number)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL:
            try:
                own = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
            except OSError:  # a program there has removed it
                own = os.memfd_create("null")
            os.dup2(own, number)
            os.close(own)


def _switch(user: int | None, group: int | None, groups: list[int] | None) -> None:
    """Become the user, without rights beyond those of the sandbox."""
    give_up_rights()  # first: it takes rights that are lost with root's id
    # Groups before the user: a user other than root may not set them.
    if group is not None:
        os.setgroups(groups or [group])
        os.setresgid(group, group, group)
    if user is not None:
        os.setresuid(user, user, user)
    if os.geteuid() == 0:
        syscalls.set_capabilities(CAPABILITIES)  # those in effect now: above is what an exec may give


def give_up_rights() -> None:
    """Let nothing that is executed from now on have more rights than root has in an isolated sandbox."""
    try:  # noqa: SIM105 (contextlib: half a megabyte in the keeper)
        syscalls.new_session_keyring()
    except OSError:  # a kernel without keyrings, or a container that forbids them: there is nothing to leave
        pass
    syscalls.limit_capabilities(CAPABILITIES)
    syscalls.forbid_new_privileges()
    seccomp.enforce()


def _exec(program: Program) -> None:
    """Execute the first path that can be. Raises `OSError`, the first that is not that there is no such file."""
    first: OSError | None = None
    for path in program.paths:
        try:
            os.execve(path, program.argv, program.environment)
        except OSError as error:
            if first is None or (first.errno in _MISSING and error.errno not in _MISSING):
                first = error
    if first is not None:
        raise first


_MISSING = (errno.ENOENT, errno.ENOTDIR)
