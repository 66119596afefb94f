"""The keeper's command line, and how others write it."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Place = str | os.PathLike[str]

_SNIPPET = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from sbxcompose.host.keeper.main import main; sys.exit(main())"
)


class KeeperOptions:
    """What a keeper is told. Numbers that are not given are -1."""

    def __init__(self, arguments: Sequence[str]) -> None:
        split = list(arguments).index("--")
        values = dict(_pair(argument) for argument in arguments[:split])
        self.socket = values.pop("socket")
        self.spare = values.pop("spare", "")
        """Where to listen if the socket's place cannot be had, or is no longer there."""
        self.lock = values.pop("lock")
        self.log = values.pop("log")
        self.detach = values.pop("detach", "") == "yes"
        self.tcp = int(values.pop("tcp", -1))
        """A port of 127.0.0.1 to listen on; 0 for any."""
        self.ready_fd = int(values.pop("ready-fd", -1))
        self.soft_files = int(values.pop("soft-files", -1))
        """The limit of open files that children get; without it, the keeper's own at its start."""
        self.take_over = int(values.pop("take-over", -1))
        """The control socket to a server that lives, and whose keeper has died."""
        self.server_pid = int(values.pop("server-pid", -1))
        self.lock_fd = int(values.pop("lock-fd", -1))
        self.listen_fd = int(values.pop("listen-fd", -1))
        self.tcp_fd = int(values.pop("tcp-fd", -1))
        self.server = list(arguments[split + 1 :])
        # An option of another version must not be ignored: it may say what has to be taken over.
        if values or not self.server:
            raise ValueError(f"unknown options {sorted(values)}, or no server")

    @property
    def sockets(self) -> list[str]:
        """The paths at which it may listen, the best first."""
        return [self.socket, self.spare] if self.spare else [self.socket]


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.removeprefix("--").partition("=")
    return name, value


class KeeperPaths:
    """Where a keeper listens, what it locks, and where it logs; `spare`: where it listens if `socket` cannot be had."""

    __slots__ = ("lock", "log", "socket", "spare")

    def __init__(self, socket: Place, lock: Place, log: Place, spare: Place | None = None) -> None:
        self.socket = socket
        self.lock = lock
        self.log = log
        self.spare = spare


def keeper_argv(
    paths: KeeperPaths,
    server: Sequence[str],
    *,
    detach: bool,
    tcp: int | None = None,
    ready_fd: int | None = None,
    python: str = sys.executable,
) -> list[str]:
    """Return the command line that starts a keeper, which starts `server` (an argv).

    `detach`: it leaves the terminal, and its first process ends as soon as the host listens (or cannot).
    `tcp` is a port of 127.0.0.1 (0 for any). To `ready_fd`, which it must inherit, it writes one JSON object.
    """
    # Neither the user's variables and directory (-I) nor `site` (-S) may have a say in it, and it starts sooner. As it
    # finds no installed packages then, it is given the path.
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    words = [python, "-I", "-S", "-c", _SNIPPET, root]
    places = {"socket": paths.socket, "lock": paths.lock, "log": paths.log, "spare": paths.spare}
    words += [f"--{name}={os.fspath(place)}" for name, place in places.items() if place is not None]
    words += ["--detach=yes"] if detach else []
    words += [f"--tcp={tcp}"] if tcp is not None else []
    words += [f"--ready-fd={ready_fd}"] if ready_fd is not None else []
    return [*words, "--", *server]
