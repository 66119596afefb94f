"""The log of a CI job: sections that its page can fold, and the time of each line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sbxcompose.clock import monotonic, wall_time

VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")


def in_ci(environ: Mapping[str, str]) -> bool:
    """Return whether a CI system runs this command."""
    return any(environ.get(name, "").lower() in ("true", "1", "yes") for name in VARIABLES)


class CiLog:
    """`write` prints a line as it is; elsewhere than in CI nothing is written."""

    def __init__(self, write: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> None:
        self._write = write
        self._environ = environ
        self._begun = monotonic()
        self._open: list[str] = []
        self.enabled = in_ci(environ)

    def elapsed(self) -> str:
        """Return how long the command has been running, to be put before a line; nothing elsewhere than in CI."""
        return f"[{monotonic() - self._begun:6.2f}s] " if self.enabled else ""

    def begin(self, title: str, *, collapsed: bool = False) -> None:
        """Begin a section."""
        if not self.enabled:
            return
        from sbxcompose.cli.ci_formats import section_begin

        self._open.append(title)
        self._mark(section_begin(self._environ, title, wall_time(), collapsed=collapsed))

    def end(self) -> None:
        """End the section that was begun last, if there is one."""
        if self._open:
            from sbxcompose.cli.ci_formats import section_end

            self._mark(section_end(self._environ, self._open.pop(), wall_time()))

    @contextmanager
    def section(self, title: str, *, collapsed: bool = False) -> Iterator[None]:
        """Write what is written inside as a section."""
        self.begin(title, collapsed=collapsed)
        try:
            yield
        finally:
            self.end()

    def _mark(self, line: str | None) -> None:
        if line is not None:
            self._write(line)
