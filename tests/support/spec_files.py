"""Projects for the tests of `spec`: files in memory, and their mistakes in short."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any

from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.files import raise_mistakes
from sbxcompose.spec.load import LoadRequest, load_project
from sbxcompose.spec.project import Process, Project
from sbxcompose.spec.sources import SourceContent, Sources

FOLDER = "/no/such/shop"
"""Where the files are said to be; no test touches the disk for them."""


class MemorySources(Sources):
    """Files that exist in a dictionary only; names are relative to `FOLDER`."""

    def __init__(
        self,
        files: Mapping[str, str | SourceContent],
        environ: Mapping[str, str],
        stdin: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__(environ, stdin)
        self._contents = {os.path.normpath(os.path.join(FOLDER, name)): item for name, item in files.items()}

    def read(self, path: str) -> SourceContent:
        content = self._contents.get(path, errno.ENOENT)
        self.files[path] = content.encode() if isinstance(content, str) else content
        return self.files[path]

    def read_any(self, path: str, *, variables: bool = False) -> SourceContent:
        return self.read(path)


def load(
    text: str | bytes | None = None,
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str | SourceContent] | None = None,
    *,
    named: tuple[str, ...] = (),
    lenient: bool = False,
    **request: Any,
) -> Project:
    """Load `text` as `sbxcompose.yaml`, beside other files. `named`: those that `-f` would name.

    `lenient`: what only some of the processes need may be missing.
    """
    everything: dict[str, str | SourceContent] = dict(files or {})
    if text is not None:
        everything["sbxcompose.yaml"] = text
    asked = LoadRequest(**{"directory": FOLDER, "files": named, "environ": environ or {}, **request})
    project = load_project(asked, MemorySources(everything, asked.environ, asked.stdin))
    if not lenient:
        raise_mistakes([item.mistake for item in project.unresolved])
    return project


def mistakes(text: str | bytes | None = None, *args: Any, **kwargs: Any) -> list[str]:
    """The mistakes of a project as `file:line:column: message`, the file only if it is another one."""
    try:
        load(text, *args, **kwargs)
    except InvalidSpec as error:
        found = [(mistake.file.removeprefix("sbxcompose.yaml"), mistake) for mistake in error.mistakes]
        return [f"{name}{':' if name else ''}{item.line}:{item.column}: {item.message}" for name, item in found]
    return []


def hints(text: str, *args: Any, **kwargs: Any) -> list[str | None]:
    """What the mistakes of a project suggest."""
    try:
        load(text, *args, **kwargs)
    except InvalidSpec as error:
        return [mistake.hint for mistake in error.mistakes]
    return []


def process(text: str, *args: Any, **kwargs: Any) -> Process:
    """The process `web` of a project."""
    project = load(text, *args, **kwargs)
    return next(one_process for one_process in [*project.processes(), *project.inactive] if one_process.name == "web")


def web(keys: str, *args: Any, **kwargs: Any) -> Process:
    """The process `web` with these keys beside its command, in flow style."""
    return process(f"processes: {{web: {{command: run, {keys}}}}}", *args, **kwargs)
