"""What every command is given: the global options, the project they lead to, and how to speak to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct

from sbxcompose.cli.style import Style
from sbxcompose.errors import InvalidSpec, SpecNotFound, UsageError

if TYPE_CHECKING:
    from sbxcompose.spec.project import Project
    from sbxcompose.spec.request import LoadRequest
    from sbxcompose.spec.sources import Pipes


class GlobalOptions(Struct, frozen=True):
    """The options that stand before the command."""

    files: tuple[str, ...] = ()
    project_name: str | None = None
    project_directory: str | None = None
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    provider: str | None = None

    def words(self) -> list[str]:
        """Return them as they are written on a command line."""
        several = (("-f", self.files), ("--profile", self.profiles), ("--env-file", self.env_files))
        single = (
            ("-p", self.project_name),
            ("--project-directory", self.project_directory),
            ("--provider", self.provider),
        )
        given = [(option, value) for option, values in several for value in values]
        given += [(option, value) for option, value in single if value is not None]
        return [word for pair in given for word in pair]


class Shell:
    """One invocation: stdout carries data, stderr talk."""

    def __init__(
        self, options: GlobalOptions, *, command: str = "COMMAND", lenient: bool = False, completing: bool = False
    ) -> None:
        """`command`: its name. `lenient`: it only looks or stops. `completing`: nothing may take long, or be said."""
        self.options = options
        self._command = command
        self.choose_styles()
        self._lenient = lenient
        self._completing = completing
        self._pipes: Pipes | None = None
        self.before_echo: Callable[[], None] = lambda: None
        """Called before anything is said: whoever draws on the terminal takes its unfinished lines away."""
        self.hold_output: Callable[[], AbstractContextManager[None]] = nullcontext
        """Returns what holds back the output that another part of the command writes, while it is entered."""
        self._held: list[str] | None = None

    def choose_styles(self) -> None:
        """Take note of what was chosen of colors."""
        self.out = style_of(sys.stdout)
        self.err = style_of(sys.stderr)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the command line names, or else `SBXCOMPOSE_FILE`."""
        from sbxcompose.spec.request import files_of

        return self.options.files or files_of(os.environ)

    def project(self, scale: Mapping[str, int] | None = None, looked_at: set[str] | None = None) -> Project:
        """Return the project that the options and the working directory lead to. Raises `SpecError`.

        `looked_at` is told the files that it comes from, as `open_project` has it.
        """
        from sbxcompose.spec.open import open_project

        first = self._pipes is None
        request = self.load_request(scale)
        try:
            project = open_project(request, looked_at)
        except (SpecNotFound, InvalidSpec) as error:
            return self._without_file(error)
        if first and request.pipes is not None:
            for path in request.pipes.without_writer:
                self.note(f"{path} is a named pipe, and nothing writes to it: its variables are not known")
        return project

    def load_request(self, scale: Mapping[str, int] | None = None) -> LoadRequest:
        """Return where the project is read from, as the options and the working directory say."""
        from sbxcompose.spec.request import LoadRequest
        from sbxcompose.spec.sources import Pipes

        options = self.options
        self._pipes = self._pipes or Pipes(lenient=self._lenient, ignored=self._completing)
        return LoadRequest(
            directory=options.project_directory or _here(),
            files=options.files,
            project_name=options.project_name,
            profiles=options.profiles,
            provider=options.provider,
            env_files=options.env_files,
            environ=os.environ,
            scale=dict(scale or {}),
            stdin=lambda: sys.stdin.buffer.read() if sys.stdin is not None else b"",
            pipes=self._pipes,
        )

    @property
    def width(self) -> int | None:
        """Columns of the terminal that data is printed on; None for what `width_of` has none for."""
        return width_of(sys.stdout)

    @property
    def err_width(self) -> int | None:
        """Columns of the terminal that talk is printed on, likewise."""
        return width_of(sys.stderr)

    def _without_file(self, error: SpecNotFound | InvalidSpec) -> Project:
        """Return the project that `-p` names, as its sandboxes tell of it, for a command that can do without the file.

        Raises `error`, with the way round where there is one.
        """
        from sbxcompose.cli.known_projects import explain_without_file, project_without_file

        name = self.options.project_name
        if self._completing or (self.files and not self.options.files):
            raise error  # a file that `SBXCOMPOSE_FILE` names is meant by `-p NAME` as well
        if name is None or self.files or not self._lenient:
            raise explain_without_file(
                error,
                self._command,
                name=name,
                provider=self.options.provider,
                named_file=bool(self.files),
                lenient=self._lenient,
            ) from None
        if isinstance(error, InvalidSpec):
            self.note(f"{error.message}; `{self._command}` uses the state of the sandboxes of {name} instead")
        return project_without_file(name, self.options.provider)

    def echo(self, text: str) -> None:
        """Talk: a line on stderr."""
        self.mark(harmless(text))

    def mark(self, text: str) -> None:
        """Print a line on stderr for programs that read it: control sequences stay."""
        self.before_echo()
        sys.stdout.flush()
        self.write(f"{text}\n")

    def write(self, text: str) -> None:
        """Write to stderr, as it is; while a question is open, once that is answered."""
        if self._held is not None:
            self._held.append(text)
        else:
            print(text, end="", file=sys.stderr, flush=True)

    @contextmanager
    def question(self, text: str) -> Iterator[None]:
        """Ask on stderr; inside the block nothing else is written on the terminal, what should be follows it."""
        self.before_echo()
        try:
            with self.hold_output():
                self.write(text)
                self._held = []
                yield
        finally:
            held, self._held = self._held or [], None
            for part in held:
                self.write(part)

    def note(self, text: str) -> None:
        """Print a remark that needs no action; on a terminal that is too narrow for it broken between words."""
        lines = [f"note: {harmless(text)}"]
        if (width := self.err_width) is not None:
            from sbxcompose.text_width import in_rows

            lines = in_rows(lines[0], width)
        lines[0] = lines[0].replace("note:", self.err.dim("note:"), 1)
        self.echo("\n".join(lines))

    def print(self, text: str) -> None:
        """Print data: a line on stdout."""
        print(harmless(text) if sys.stdout.isatty() else text)

    def print_json(self, value: Any) -> None:
        """Print data for programs: one JSON document on stdout."""
        import json

        print(json.dumps(value, indent=2, ensure_ascii=not unicode_output()))


def harmless(text: str) -> str:
    """Return a text without what would act on a terminal, but for colours: it may quote a process, or a server."""
    if text.isprintable():
        return text
    from sbxcompose.logs.sanitize import clean_message

    return clean_message(text)


def unicode_output(stream: TextIO | None = None) -> bool:
    """Return whether every character can be printed (on stdout); where not, JSON and YAML have escapes of their own."""
    return ((stream or sys.stdout).encoding or "").lower().replace("_", "-") in ("utf-8", "utf8")


_color = "auto"


def choose_color(choice: str) -> None:
    """Set what the command line says of colours: `auto`, `always` or `never`; for errors, too."""
    global _color
    _color = choice


def style_of(stream: TextIO | None) -> Style:
    """Colours or none: the option, then NO_COLOR, then FORCE_COLOR, then whether the stream is a terminal."""
    return Style(_colored(stream))


def _colored(stream: TextIO | None) -> bool:
    if _color != "auto":
        return _color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal at which a person looks; None for a pipe, a file and the log of a CI job."""
    if stream is None or not stream.isatty():
        return None
    from sbxcompose.cli.ci_log import in_ci

    if in_ci(os.environ):
        return None
    with suppress(ValueError):
        if (columns := int(os.environ.get("COLUMNS", ""))) > 0:
            return columns
    with suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or 80
    return 80


def is_drawable(stream: TextIO) -> bool:
    """Return whether it is a terminal on which lines can be replaced."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UsageError("the working directory no longer exists", hint="`cd` to one that does") from None
