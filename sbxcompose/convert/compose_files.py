"""All files that make up a Compose project: `include`, `extends` with a file, and the override file; pure, apart from
`read`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from sbxcompose.convert.compose_merge import merged
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.convert.values import entries, get, text
from sbxcompose.errors import InvalidSpec, Mistake
from sbxcompose.spec.dotenv import parse_dotenv
from sbxcompose.spec.nodes import Document, Mapping, Node, Sequence
from sbxcompose.spec.yaml import Malformed, read_yaml

ReadText = Callable[[str], str | None]
"""Returns the text of a file of the project, by its path in it; None if there is none."""

_MAX_FILES = 500
"""Files of one project; more are a loop that goes by different names."""
_LONGEST_CHAIN = 50
"""Services that extend one another; more are a loop, or cannot be understood."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?[-?+][^{}]*)?\})")
_SUFFIXES = (".yaml", ".yml")


class ComposeFiles:
    """Reads the files that a Compose file names. Their documents have a relative `directory`: that in the project."""

    def __init__(self, draft: ProjectDraft, read: ReadText) -> None:
        self._draft = draft
        self.read = read
        self._found: dict[str, Mapping | None] = {}
        self._included_once: set[str] = set()
        self._variables: dict[str, str] | None = None

    def whole(self, root: Mapping) -> Mapping:
        """Return the file with its override file laid over it, and over what it includes. Raises `InvalidSpec`."""
        over = self._override(root)
        if over is not None:
            words = "is laid over the file, as Compose does"
            self._draft.note(NoteKind.CHANGED, over.document.name, words, over)
            root = merged(root, over)
        return self._including(root, (root.document.name,))

    def extended(self, service: Mapping, siblings: dict[str, Mapping], trail: tuple[str, ...] = ()) -> Mapping:
        """Return a service laid over those that it extends. Raises `InvalidSpec` if they extend each other."""
        extends = service.get("extends")
        if extends is None:
            return service
        name, file = text(extends) or text(get(extends, "service")) or "", text(get(extends, "file"))
        place = f"{project_path(get(extends, 'file'))}:{name}" if file is not None else f"{_of(service)}:{name}"
        if place in trail or len(trail) > _LONGEST_CHAIN:
            raise InvalidSpec([extends.mistake(f"`{name}` extends itself", "remove one `extends`")])
        if file is not None:
            other = self._tree(project_path(get(extends, "file")))
            siblings = {key: node for key, node in entries(get(other, "services")) if isinstance(node, Mapping)}
        base = siblings.get(name)
        if base is None:
            words = f"`{name}` of {file} cannot be read" if file is not None else f"no such service `{name}`"
            self._draft.note(NoteKind.MANUAL, "extends", f"{words}: copy its keys", extends)
            return service
        return merged(self.extended(base, siblings, (*trail, place)), service, ("extends",))

    def filled(self, value: str) -> str:
        """Return a text with the variables that `.env` sets: for what has to be known to convert a service."""
        if self._variables is None:
            self._variables = self.variables(".env")
        found = self._variables
        return _VARIABLE.sub(lambda place: found.get(place[1] or place[2]) or place[0], value)

    def has(self, path: str) -> bool:
        """Return whether a file of the project can be read."""
        return self.read(path) is not None

    def variables(self, path: str) -> dict[str, str]:
        """Return the variables of a file; none if it cannot be read."""
        document = Document(path, path, ".", self.read(path) or "")
        return parse_dotenv(document, lambda name: None, [])

    def _override(self, root: Mapping) -> Mapping | None:
        """Return the file that Compose lays over one of a usual name without being told."""
        stem, suffix = posixpath.splitext(posixpath.basename(root.document.name))
        if stem not in ("compose", "docker-compose") or suffix not in _SUFFIXES:
            return None
        found = (self._tree(f"{stem}.override{end}") for end in _SUFFIXES)
        return next((tree for tree in found if tree is not None), None)

    def _including(self, root: Mapping, trail: tuple[str, ...]) -> Mapping:
        for item, folder in self._included(root):
            path = project_path(item)
            if path in trail:
                raise InvalidSpec([item.mistake(f"`{path}` includes itself", "remove one `include`")])
            tree = self._tree(path, folder)
            if tree is None:
                words = f"`{path}` cannot be read: convert it, and name the result in `include`"
                self._draft.note(NoteKind.MANUAL, "include", words, item)
                continue
            if path not in self._included_once:  # a second time would only double its lists
                self._included_once.add(path)
                root = merged(self._including(tree, (*trail, path)), root, ("include",))
        return root

    def _included(self, root: Mapping) -> Iterator[tuple[Node, str | None]]:
        """Yield the places where paths of included files stand, and the folder at which their own paths start."""
        listed = root.get("include")
        for item in listed.items if isinstance(listed, Sequence) else []:
            node = item.get("path") if isinstance(item, Mapping) else item
            folder = get(item, "project_directory")
            for path in node.items if isinstance(node, Sequence) else [node]:
                if path is not None and text(path):
                    yield path, project_path(folder) if folder is not None else None

    def _tree(self, path: str, folder: str | None = None) -> Mapping | None:
        """Return a file of the project; None if there is none. Raises `InvalidSpec` for a broken one."""
        if path not in self._found:
            if len(self._found) >= _MAX_FILES:
                place = Mistake(f"more than {_MAX_FILES} files belong to this one", file=path)
                raise InvalidSpec([place])
            content = self.read(path)
            document = Document(path, path, folder or posixpath.dirname(path) or ".", content or "")
            try:
                tree = read_yaml(document, []) if content is not None else None
            except Malformed as error:
                raise InvalidSpec([error.mistake]) from None
            self._found[path] = tree if isinstance(tree, Mapping) else None
        return self._found[path]


def project_path(node: Node | None) -> str:
    """Return a path as it is seen from the project's directory; in a file, paths start at that file."""
    path = text(node) or "."
    if node is None or posixpath.isabs(node.document.directory) or path.startswith(("/", "~", "$")):
        return path
    joined = posixpath.normpath(posixpath.join(node.document.directory, path))
    return path if node.document.directory in ("", ".") else joined


def _of(node: Node) -> str:
    return node.document.name
