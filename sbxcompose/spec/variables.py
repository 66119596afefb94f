"""The variables of each process, from the widest level to the narrowest, and which of them are secret."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from sbxcompose.errors import Mistake
from sbxcompose.spec.base_models import EnvFileModel, WithEnvironment
from sbxcompose.spec.files import ProjectReader
from sbxcompose.spec.locations import Places
from sbxcompose.spec.nodes import Node
from sbxcompose.spec.project import Pairs
from sbxcompose.spec.sources import read_error_text
from sbxcompose.spec.unresolved import scope_of
from sbxcompose.spec.unresolved_part import Unresolved
from sbxcompose.spec.values import InterpolatedValue, Path, env_position


class Variables:
    """Reads `env` and `env_file` at each level; mistakes go to `unresolved`, with those who need the file."""

    def __init__(self, reader: ProjectReader, places: Places) -> None:
        self._reader = reader
        self._places = places
        self._files: dict[tuple[int, tuple[str, ...]], tuple[dict[str, str], dict[str, str]]] = {}
        """What is below a level, and its files so far -> what is below (so that it lives), and the variables."""
        self.unresolved: list[Unresolved] = []

    def layer(self, below: dict[str, str], model: WithEnvironment, path: Path) -> dict[str, str]:
        """`below` with what the level at `path` says laid over it; `below` itself where it says nothing."""
        if not model.env and not model.env_file:
            return below
        values = dict(below)
        chain: tuple[str, ...] = ()
        for index, entry in enumerate(model.env_file):
            node = self._places.value((*path, "env_file", index))
            chain = (*chain, os.path.normpath(os.path.join(node.document.directory, entry.path)))
            key = id(below), chain
            if key not in self._files:
                found, mistakes = self._file(node, entry, chain[-1], values)
                if mistakes:
                    scope = scope_of((*path, "env_file"))
                    assert scope is not None, "only processes have variables"
                    self.unresolved += [Unresolved.of(mistake, scope) for mistake in mistakes]
                    continue
                self._files[key] = below, found
            values.update(self._files[key][1])
        for name, value in model.env.items():
            known = self._reader.variable(name) if value is None else value
            if known is not None:
                values[name] = known
        return values

    def _file(
        self, node: Node, model: EnvFileModel, path: str, earlier: dict[str, str]
    ) -> tuple[dict[str, str], list[Mistake]]:
        """Read one file, if there is one; it sees what stands in the files before it and in the wider levels."""
        content = self._reader.sources.read_any(path, variables=True)
        if not isinstance(content, int):
            return self._reader.variables_in(path, content, earlier={**self._reader.dotenv, **earlier})
        if model.required or content not in (errno.ENOENT, errno.ENOTDIR):
            return {}, [node.mistake(f"the file `{model.path}` {read_error_text(content)}")]
        return {}, []


def pairs_of(values: dict[str, str]) -> Pairs:
    """Return an environment in the form of `spec.project`."""
    return tuple(sorted(values.items()))


class MaskedNames:
    """Which variables are masked: the names given, and those whose values were made from one of them."""

    def __init__(self, uses: Sequence[InterpolatedValue]) -> None:
        self._derived: dict[Path, list[tuple[str, frozenset[str]]]] = {}
        self._elsewhere: list[InterpolatedValue] = []
        for use in uses:
            at = env_position(use.path)
            if at is None:
                self._elsewhere.append(use)
            else:
                step = use.path[at + 1]
                name = use.node.text.partition("=")[0] if isinstance(step, int) else step
                self._derived.setdefault(use.path[:at], []).append((name, use.names))

    def at(self, names: tuple[str, ...], *levels: Path) -> tuple[str, ...]:
        """`names` with the variables of the given levels that were made from them."""
        if not names:
            return ()
        known = dict.fromkeys(names)
        for level in levels:
            for name, used in self._derived.get(level, ()):
                if not used.isdisjoint(names):
                    known[name] = None
        return tuple(known)

    def exposed(self, names: set[str]) -> list[tuple[InterpolatedValue, str]]:
        """Secrets that stand somewhere else than in a variable, where `ps` or a plan would show them."""
        if not names:
            return []
        return [(use, min(use.names & names)) for use in self._elsewhere if not use.names.isdisjoint(names)]
