"""What every command is given: the global options, the project they lead to, and how to speak to the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct

from sbxcompose.cli.view.style import Style

if TYPE_CHECKING:
    from sbxcompose.spec.project import Project


class GlobalOptions(Struct, frozen=True):
    """The options that stand before the command."""

    files: tuple[str, ...] = ()
    project_name: str | None = None
    project_directory: str | None = None
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    provider: str | None = None


class Shell:
    """One invocation: stdout carries data, stderr talk."""

    def __init__(self, options: GlobalOptions, *, color: str = "auto") -> None:
        self.options = options
        self.out = Style(_colored(sys.stdout, color))
        self.err = Style(_colored(sys.stderr, color))

    def project(self, scale: Mapping[str, int] | None = None) -> Project:
        """The project that the options and the working directory lead to. Raises `SpecError`."""
        from sbxcompose.spec.open import open_project
        from sbxcompose.spec.request import LoadRequest

        options = self.options
        return open_project(
            LoadRequest(
                directory=options.project_directory or os.getcwd(),
                files=options.files,
                project_name=options.project_name,
                profiles=options.profiles,
                provider=options.provider,
                env_files=options.env_files,
                environ=os.environ,
                scale=dict(scale or {}),
                stdin=sys.stdin.buffer.read,
            )
        )

    def say(self, text: str) -> None:
        """Talk: a line on stderr."""
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """A remark that needs no action."""
        self.say(f"{self.err.dim('note:')} {text}")

    def print(self, text: str) -> None:
        """Data: a line on stdout."""
        print(text)

    def print_json(self, value: Any) -> None:
        """Data for programs: one JSON document on stdout."""
        import json

        print(json.dumps(value, indent=2, ensure_ascii=False))


def _colored(stream: TextIO, color: str) -> bool:
    """Whether to use colours: the option, then NO_COLOR, then FORCE_COLOR, then whether it is a terminal."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
