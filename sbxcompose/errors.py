"""Every error a user can meet, in one tree.

Each error says what is wrong, and where it can, how to mend it (`hint`). Its `exit_code` is what the command
line ends with; only `cli.main` catches the whole tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class SbxError(Exception):
    """Root of the tree: anything that ends a command with a message instead of a traceback.

    `message` is one sentence without a full stop; `hint`, if there is one, is the way out.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SbxError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class SpecError(SbxError):
    """The project's file is wrong."""

    exit_code = 2


class Mistake:
    """One thing wrong in a file: where it is, the line itself, and a suggestion.

    `line` and `column` count from 1; 0 means that the mistake has no place (an empty file, say).
    """

    __slots__ = ("column", "file", "hint", "line", "message", "source")

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        source: str = "",
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.source = source
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" if place else self.message

    def __repr__(self) -> str:
        return f"Mistake({self.message!r}, {self.file}:{self.line}:{self.column})"


class InvalidSpec(SpecError):
    """All the mistakes of a project's files at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        count = len(mistakes)
        super().__init__("the file has a mistake" if count == 1 else f"the file has {count} mistakes")
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        """Name the first mistake: a program's log has nothing else."""
        if not self.mistakes:
            return self.message
        more = f", and {len(self.mistakes) - 1} more" if len(self.mistakes) > 1 else ""
        return f"{self.message}: {self.mistakes[0]}{more}"


class SpecNotFound(SpecError):
    """No `sbxcompose.yaml` and no `Procfile` from the working directory upward."""


class UnknownName(UsageError):
    """A process or sandbox named on the command line that the file does not define.

    Without a `hint` it suggests `near`, by default the nearest of the known names, or lists what is known.
    """

    relation = "named"

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, hint: str | None = None, near: Sequence[str] | None = None
    ) -> None:
        known = sorted(set(known))
        if near is None:
            from sbxcompose.similar import similar  # imported late: only this message needs it

            near = similar(name, known)
        self.name = name
        self.explained = hint is not None
        self.near = tuple(near)
        self.listed = _listed(known)
        meant = f"did you mean {' or '.join(f'`{known_name}`' for known_name in near)}?" if near else None
        super().__init__(f"no {kind} {self.relation} `{name}`", hint=hint or meant or self.listed)


def _listed(known: list[str]) -> str | None:
    """Name what there is, unless that would be a page of it."""
    names = ", ".join(f"`{known_name}`" for known_name in known)
    return f"the file defines {names}" if 0 < len(known) <= _MOST_LISTED else None


_MOST_LISTED = 20


class UnknownReplica(UnknownName):
    """A replica named on the command line that the file does not have of that process."""

    def __init__(self, name: str, process: str, replicas: int) -> None:
        if replicas > 1:
            hint = f"`{process}` has {replicas} replicas in the file: `{process}.1` to `{process}.{replicas}`"
        else:
            hint = f"`{process}` has {'one replica' if replicas else 'no replicas'} in the file"
            hint += f"; `sbxcompose scale {process}=2` adds another"
        super().__init__("replica", name, (), hint=hint)


class UnknownPattern(UnknownName):
    """A pattern on the command line that no name matches."""

    relation = "matches"

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(kind, name, known, near=())


class InactiveNeed(SpecError):
    """What would be started needs a process whose profile is not active."""


class ProviderError(SbxError):
    """The provider (the host on this machine, or the cloud) cannot be reached, or refuses."""

    exit_code = 3


class ConfigurationError(ProviderError):
    """A variable that says how a provider is reached is missing or makes no sense."""


class Unreachable(ProviderError):
    """Nothing answers, or the connection broke before an answer came.

    `broke`: there was a connection, and the other side ended it while something was on its way.
    """

    def __init__(self, message: str, *, hint: str | None = None, broke: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.broke = broke


class Unavailable(Unreachable):
    """Something before the provider answered in its place (429, 502, 503, 504): what was asked may not have been done.

    `retry_after` is in seconds, where the server said so.
    """

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Refused(ProviderError):
    """The provider answered with an error.

    `status` is the HTTP status, `code` the contract's error word where one was given.
    """

    def __init__(self, message: str, *, status: int, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class NotFound(Refused):
    """404: no such sandbox or process."""


class Conflict(Refused):
    """409: another client was first; read the state again.

    `live`: whether what is in the way still runs or is being started; None where the server does not say.
    """

    def __init__(
        self, message: str, *, status: int, code: str | None = None, hint: str | None = None, live: bool | None = None
    ) -> None:
        super().__init__(message, status=status, code=code, hint=hint)
        self.live = live


class Unsupported(ProviderError):
    """The file asks for something that this provider cannot do, and that must not be ignored."""


class FailedProcess:
    """A process that failed or is late: its name, what is wrong, and its last lines of output."""

    __slots__ = ("lines", "message", "name")

    def __init__(self, name: str, message: str, lines: Sequence[str] = ()) -> None:
        self.name = name
        self.message = message
        self.lines = tuple(lines)

    def __repr__(self) -> str:
        return f"FailedProcess({self.name!r}, {self.message!r})"


class ProcessFailed(SbxError):
    """A process failed, or never got ready. `causes` are the processes at the root of it, where they are known."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None, causes: Sequence[FailedProcess] = ()) -> None:
        super().__init__(message, hint=hint)
        self.causes = tuple(causes)


class NotStarted(SbxError):
    """A command that was to be run in the foreground could not be started; exit codes as shells have them."""

    def __init__(self, message: str, *, found: bool) -> None:
        super().__init__(message)
        self.exit_code = 126 if found else 127


class DeadlinePassed(SbxError):
    """A deadline that the user set has passed. `causes` are the processes that are late, where they are known."""

    exit_code = 124

    def __init__(self, message: str, *, hint: str | None = None, causes: Sequence[FailedProcess] = ()) -> None:
        super().__init__(message, hint=hint)
        self.causes = tuple(causes)


class Interrupted(SbxError):
    """The user pressed Ctrl-C."""

    exit_code = 130


class Declined(SbxError):
    """The user has answered a question with no."""


class NotWritten(SbxError):
    """Our own standard output cannot be written to: the disk is full, for example."""

    exit_code = 1


class ReaderGone(NotWritten):
    """Standard output no longer has a reader: the pipe is closed, or the terminal has hung up."""

    exit_code = 141
    """What a shell reports for a command that SIGPIPE killed: 128 + 13."""
