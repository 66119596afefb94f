"""What a command asks for when it wants the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class LoadRequest(NamedTuple):
    """Where to look, and what the command line says on top of the file.

    `directory`: the search for a file begins there and goes upward; `files` and `env_files` are relative to
    it. `files`: these instead of the search (`-` is standard input). `env_files`: these instead of `.env`.
    `project_name`, `provider` and `profiles` beat the environment, which beats the file. `scale` says how
    many replicas of a process (`web`, or `app/web`) there are instead. `stdin` reads all of standard input
    (by default, our own).
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
