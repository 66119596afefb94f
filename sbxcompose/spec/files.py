"""Which files make the project, and each of them as a tree: found, read, decoded, its includes laid
beneath it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping as Variables
from contextlib import suppress
from dataclasses import dataclass, field

from sbxcompose.errors import InvalidSpec, Mistake, SpecNotFound
from sbxcompose.spec.dotenv import parse_dotenv
from sbxcompose.spec.files_in_dotenv import files_named_in
from sbxcompose.spec.foreign_files import Tool, by_name, by_shape, by_text, other_file
from sbxcompose.spec.interpolate import interpolate
from sbxcompose.spec.merge import merge
from sbxcompose.spec.nodes import Document, Mapping, Node, Scalar, Sequence, is_null
from sbxcompose.spec.procfile import is_procfile, read_procfile
from sbxcompose.spec.request import FILE, LoadRequest, files_of, named_env_files, named_files
from sbxcompose.spec.sources import SourceContent, Sources, read_error_text
from sbxcompose.spec.yaml import Malformed, read_yaml

WRITE_ONE = "`sbxcompose init` writes a first one; `-f FILE` names another file"
"""The hint where there is no file at all."""
NAMES = ("sbxcompose.yaml", "sbxcompose.yml", "Procfile")
"""In each folder, from the working directory upward, the first of these is the project's file."""
DOTENV = ".env"
OVERRIDES = ("sbxcompose.override.yaml", "sbxcompose.override.yml")
_DEEPEST_INCLUDE = 50
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


@dataclass(slots=True)
class FoundFiles:
    """The files to lay over one another, first the lowest, and the folder of the project.

    A path is absolute, or `-`.
    """

    paths: list[str]
    directory: str
    override: str | None = None
    dotenv: str | None = None
    """The file of variables that names the files."""


def find_files(request: LoadRequest, sources: Sources) -> FoundFiles:
    """Decide which files to read. Raises `SpecNotFound`."""
    here = os.path.realpath(request.directory)
    files = named_files(request)
    if files:
        return _named(files, here)
    env_files = [os.path.join(here, name) for name in named_env_files(request)]
    for dotenv in reversed(env_files):
        if files := files_named_in(dotenv, sources):
            return _named_in(dotenv, files, here, sources)
    path = _search(here, sources, with_dotenv=not env_files)
    directory = os.path.dirname(path)
    if os.path.basename(path) == DOTENV:
        return _named_in(path, files_named_in(path, sources), directory, sources)
    overrides = (os.path.join(directory, name) for name in OVERRIDES)
    over = next((override for override in overrides if _exists(override, sources.read(override))), None)
    return FoundFiles([path] if over is None else [path, over], directory, over)


def _named(files: tuple[str, ...], here: str) -> FoundFiles:
    paths = [name if name == "-" else os.path.join(here, name) for name in files]
    first = here if paths[0] == "-" else os.path.realpath(os.path.dirname(paths[0]))
    return FoundFiles(paths, here if _is_device(paths[0]) else first)


def _named_in(dotenv: str, files: tuple[str, ...], here: str, sources: Sources) -> FoundFiles:
    found = _named(files, here)
    found.dotenv = dotenv
    if found.directory != os.path.normpath(os.path.dirname(found.paths[0])):
        sources.lasting = False  # a symbolic link, which may lead elsewhere next time
    return found


def _is_device(path: str) -> bool:
    """`/dev/fd/63`: where a shell puts `<(command)`; no project lives there."""
    return path.startswith(("/dev/", "/proc/"))


def _search(here: str, sources: Sources, *, with_dotenv: bool) -> str:
    """Return the first file of a project from `here` upward, or a `.env` that names some."""
    directory = here
    while True:
        dotenv = os.path.join(directory, DOTENV)
        if with_dotenv and files_named_in(dotenv, sources):
            return dotenv
        for name in NAMES:
            path = os.path.join(directory, name)
            if _exists(path, sources.read(path)):
                return path
        above = os.path.dirname(directory)
        if above == directory:
            break
        directory = above
    listed = ", ".join(f"`{name}`" for name in NAMES[:-1])
    message = f"no {listed} or `{NAMES[-1]}` in {here}, nor in any folder above it"
    hint = WRITE_ONE
    with suppress(OSError):
        hint = other_file(os.listdir(here)) or hint
    raise SpecNotFound(message, hint=hint)


def _exists(path: str, content: SourceContent) -> bool:
    # A folder that we may not enter answers "permission denied" for whatever it does not hold, too.
    return content not in _ABSENT and (content != errno.EACCES or os.path.lexists(path))


@dataclass(slots=True)
class ProjectReader:
    """Reads files into trees; `mistakes` and `files` (what was read, in order) grow as it goes."""

    request: LoadRequest
    sources: Sources
    mistakes: list[Mistake] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    dotenv: dict[str, str] = field(default_factory=dict)
    procfile: bool = False
    """Whether one of the files is a Procfile."""
    size: int = 0
    """Characters in all files of the project."""
    incomplete: bool = False
    """Whether a file could not be read, so that what it defines is unknown."""
    found: FoundFiles | None = None
    lacks_names: bool = False
    """Whether a part with processes stands under a wrong key, so that names in it are unknown."""

    @property
    def mistakes_of_names(self) -> list[Mistake]:
        """Where mistakes in references go: nowhere if the names are not known."""
        return [] if self.lacks_names else self.mistakes

    def variable(self, name: str) -> str | None:
        """Return what `${NAME}` is: the environment beats `.env`."""
        value = self.sources.variable(name)
        return self.dotenv.get(name) if value is None else value

    def read_dotenv(self, found: FoundFiles) -> None:
        """`.env` of the project's folder, or the files that the command line names. Fills `dotenv`."""
        literal = any(self._is_procfile(path) for path in found.paths)
        here = os.path.realpath(self.request.directory)
        named = [os.path.join(here, env_file) for env_file in named_env_files(self.request)]
        self.found = found
        # The one that names the files comes first for Docker Compose, too: it was asked for from where people are.
        usual = dict.fromkeys([os.path.join(found.directory, DOTENV), *([found.dotenv] if found.dotenv else [])])
        for path in named or usual:
            content = self.sources.read_any(path, variables=True)
            # An ignored or empty mount point often appears as a folder called `.env`.
            if not named and content in (*_ABSENT, errno.EISDIR):
                continue
            values, mistakes = self.variables_in(path, content, earlier=self.dotenv, literal=literal)
            self.dotenv.update(values)
            self.mistakes += mistakes
            self.incomplete = self.incomplete or isinstance(content, int)

    def variables_in(
        self, path: str, content: SourceContent, *, earlier: Variables[str, str], literal: bool = False
    ) -> tuple[dict[str, str], list[Mistake]]:
        """Return the variables in a file of variables, and its mistakes; those in `earlier` files can be used in it."""
        mistakes: list[Mistake] = []
        document = self._document(path, content, mistakes)
        if document is None:
            return {}, mistakes
        return parse_dotenv(document, self.sources.variable, mistakes, earlier=earlier, literal=literal), mistakes

    def read_all(self, found: FoundFiles) -> Node:
        """Return the tree of the whole project. Raises `InvalidSpec` where a part of it cannot be known."""
        root: Node | None = None
        for path in found.paths:
            tree = self._tree(path, [], optional=path == found.override)
            if tree is not None:
                root = tree if root is None else merge(root, tree)
        if self.incomplete or root is None:
            raise_mistakes(self.mistakes)
        assert root is not None, "only a file with a mistake has no tree"
        return root

    def _tree(self, path: str, above: list[str], *, optional: bool = False) -> Mapping | None:
        document = self._document(path, self._content(path), self.mistakes)
        if document is None:
            self.incomplete = True
            return None
        self.files.append(path)
        self.size += len(document.text)
        if is_procfile(os.path.basename(path), document.text):
            self.procfile = True
            root: Node | None = read_procfile(document, self.mistakes)
        else:
            root = self._yaml(document, optional)
        if not isinstance(root, Mapping):
            if root is not None:
                hint = "it begins with keys such as `processes:`; a Procfile has lines such as `web: COMMAND`"
                self.mistakes.append(root.mistake("the file must be a mapping (`key: value`)", hint))
            self.incomplete = self.incomplete or not optional or root is not None
            return None
        return self._with_includes(root, [*above, path])

    def _is_procfile(self, path: str) -> bool:
        content = self._content(path)
        text = "" if isinstance(content, int) else content.decode("utf-8-sig", "replace")
        return is_procfile(os.path.basename(path), text)

    def _content(self, path: str) -> SourceContent:
        return self.sources.read_stdin() if path == "-" else self.sources.read_any(path)

    def _yaml(self, document: Document, optional: bool) -> Node | None:
        name = os.path.basename(document.path)
        _refuse_foreign(document, by_text(name, document.text))
        found: list[Mistake] = []
        try:
            root = read_yaml(document, found)
        except Malformed as malformed:
            _refuse_foreign(document, by_name(name))
            self.mistakes.append(malformed.mistake)
            return None
        if root is not None:
            _refuse_foreign(document, by_shape(name, root))
        self.mistakes.extend(found)
        if root is None or (isinstance(root, Scalar) and root.value is None):
            if not optional:
                hint = "a first one: `processes: {web: {command: python3 -m http.server}}`"
                self.mistakes.append(document.mistake("the file is empty", hint=hint))
            return None
        return root

    def _with_includes(self, root: Mapping, above: list[str]) -> Mapping:
        if "include" not in root.entries:
            return root
        over = Mapping(root.document, root.line, root.column, dict(root.entries))
        _, node = over.entries.pop("include")
        below: Node | None = None
        for item in node.items if isinstance(node, Sequence) else [] if is_null(node) else [node]:
            path = self._include_path(item)
            tree = None if path is None else self._include(item, path, above)
            if tree is not None:
                below = tree if below is None else merge(below, tree)
        merged = over if below is None else merge(below, over)
        assert isinstance(merged, Mapping)
        return merged

    def _include_path(self, item: Node) -> str | None:
        if not isinstance(item, Scalar) or not isinstance(item.value, str) or not item.text:
            self.mistakes.append(item.mistake("`include` must be a path, or a list of paths"))
            self.incomplete = True
            return None
        text, problems = interpolate(item.text, self.variable)
        self.mistakes.extend(item.mistake(problem.message, problem.hint) for problem in problems)
        if problems:
            self.incomplete = True
            return None
        return os.path.normpath(os.path.join(item.document.directory, text))

    def _include(self, item: Node, path: str, above: list[str]) -> Mapping | None:
        if path in above or len(above) >= _DEEPEST_INCLUDE:
            circle = " -> ".join(self._name(file) for file in [*above[-5:], path])
            self.mistakes.append(item.mistake(f"cycle of `include`: {circle}"))
            self.incomplete = True
            return None
        content = self.sources.read_any(path)
        if isinstance(content, int):
            self.mistakes.append(item.mistake(f"the included file `{self._name(path)}` {read_error_text(content)}"))
            self.incomplete = True
            return None
        return self._tree(path, above)

    def _document(self, path: str, content: SourceContent, mistakes: list[Mistake]) -> Document | None:
        name = self._name(path)
        directory = self.request.directory if path == "-" else os.path.dirname(path)
        document = Document(name, "" if path == "-" else path, os.path.realpath(directory))
        if isinstance(content, int):
            hint = "start the program that writes to it, or remove it" if content == errno.ENXIO else None
            if content in _ABSENT and not self.request.files and name in files_of(self.request.environ):
                hint = f"it is named in the variable `{FILE}`"
            elif content in _ABSENT and self.found is not None and self.found.dotenv and path in self.found.paths:
                hint = f"it is named in the variable `{FILE}` of {self._name(self.found.dotenv)}"
            mistakes.append(document.mistake(f"the file {read_error_text(content)}", hint=hint))
            return None
        try:
            document.text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            mistakes.append(_not_text(document, content, error.start))
            return None
        if "\0" in document.text:
            mistakes.append(document.mistake("the file is binary, not text"))
            return None
        return document

    def _name(self, path: str) -> str:
        """Return how people know the file: relative to where they are, if that is short."""
        if path == "-":
            return "<stdin>"
        relative = os.path.relpath(path, os.path.realpath(self.request.directory))
        return relative if len(relative) < len(path) else path


def _refuse_foreign(document: Document, tool: Tool | None) -> None:
    """Raise `InvalidSpec` for another tool's file; what else is wrong with it is of no interest."""
    if tool is not None:
        message = f"this is {tool.file}, which sbxcompose does not read"
        raise InvalidSpec([document.mistake(message, hint=tool.remedy(document.name))])


def _not_text(document: Document, content: bytes, position: int) -> Mistake:
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return document.mistake("the file is binary, not text")
    line = content.count(b"\n", 0, position) + 1
    column = position - (content.rfind(b"\n", 0, position) + 1) + 1
    document.text = content.decode("utf-8", "replace")
    return document.mistake("the file is not UTF-8 text", line, column, "save it as UTF-8")


def raise_mistakes(mistakes: list[Mistake]) -> None:
    """Raise `InvalidSpec` if there are any: each place and message once, in the order of the files."""
    if mistakes:
        unique = {(mistake.file, mistake.line, mistake.column, mistake.message): mistake for mistake in mistakes}
        rank = {name: number for number, name in enumerate(dict.fromkeys(mistake.file for mistake in mistakes))}
        raise InvalidSpec(
            sorted(unique.values(), key=lambda mistake: (rank[mistake.file], mistake.line, mistake.column))
        )
