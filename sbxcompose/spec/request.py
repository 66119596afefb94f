"""What a command asks for when it wants the project."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sbxcompose.spec.sources import Pipes

FILE = "SBXCOMPOSE_FILE"
"""The variable that names the project's files, of the environment or of a `.env`."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class LoadRequest(NamedTuple):
    """Where to look, and what the command line says on top of the file.

    `directory`: the search for a file begins there and goes upward; `files` and `env_files` are relative to it.
    `files`: these instead of the search (`-` is standard input), or else those of `SBXCOMPOSE_FILE`, of the
    environment or of the file of variables that is met first. `env_files`:
    these instead of `.env`, or else those of `SBXCOMPOSE_ENV_FILES`. `project_name`, `provider` and `profiles` beat
    the environment, which beats the file. `scale` says how many replicas of a process (`web`, or `app/web`; `all`:
    of each) there are instead. `stdin` reads all of standard input (by default, our own). `pipes` keeps what was
    read from named pipes, for all requests of one command.
    """

    directory: str
    files: tuple[str, ...] = ()
    project_name: str | None = None
    profiles: tuple[str, ...] = ()
    provider: str | None = None
    env_files: tuple[str, ...] = ()
    environ: Mapping[str, str] = _NOTHING
    scale: Mapping[str, int] = _NOTHING
    stdin: Callable[[], bytes] | None = None
    pipes: Pipes | None = None


def named_files(request: LoadRequest) -> tuple[str, ...]:
    """Return the files that the command line names, or else `SBXCOMPOSE_FILE`, with colons between them."""
    return request.files or files_of(request.environ)


def files_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that `SBXCOMPOSE_FILE` names."""
    return split_files(environ.get(FILE, ""))


def split_files(value: str) -> tuple[str, ...]:
    """Return the files in a value of `SBXCOMPOSE_FILE`."""
    return tuple(filter(None, value.split(os.pathsep)))


def named_env_files(request: LoadRequest) -> tuple[str, ...]:
    """Return the files of variables that the command line names, or else `SBXCOMPOSE_ENV_FILES`, with commas between
    them, as Docker Compose has it.
    """
    listed = request.environ.get("SBXCOMPOSE_ENV_FILES", "").split(",")
    return request.env_files or tuple(filter(None, (name.strip() for name in listed)))
