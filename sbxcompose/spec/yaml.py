"""YAML text -> a tree of nodes that know their places, with all that YAML itself can be wrong about.

The parser's events are put together here, without recursion: libyaml's own composer overflows the stack on a
file of a hundred thousand brackets.
"""

from __future__ import annotations

import re

import yaml

from sbxcompose.errors import Mistake
from sbxcompose.spec.nodes import Document, Mapping, Node, Scalar, Sequence
from sbxcompose.spec.scalars import resolve, resolve_tagged

_Loader: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEEPEST = 100
"""Levels of nesting; the deepest key of the spec is at level 8."""
_CORE = "tag:yaml.org,2002:"
_COLLECTIONS = frozenset((None, "!", _CORE + "map", _CORE + "seq"))


class Malformed(Exception):
    """The text is not YAML that we take; there is nothing to continue with."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


def read_yaml(document: Document, mistakes: list[Mistake]) -> Node | None:
    """Return the document's root, or None if it is empty. Duplicate keys and the like are added to `mistakes`.

    Raises `Malformed` where the text cannot be parsed at all.
    """
    loader = _Loader(document.text)
    composer = _Composer(document, mistakes)
    try:
        while loader.check_event():
            event = loader.get_event()
            assert event is not None, "check_event has seen it"
            composer.take(event)
    except yaml.MarkedYAMLError as error:
        raise Malformed(_unclosed(document, error, composer) or _marked(document, error, composer)) from None
    except (yaml.reader.ReaderError, UnicodeError):
        raise Malformed(_unreadable(document)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(document.mistake(f"this is not YAML: {error}")) from None
    return composer.root


class _OpenCollection:
    """A collection that has begun and not yet ended."""

    __slots__ = ("anchor", "key", "merges", "node")

    def __init__(self, node: Mapping | Sequence, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Node | None = None
        self.merges: list[Node] = []


class _Composer:
    def __init__(self, document: Document, mistakes: list[Mistake]) -> None:
        self.root: Node | None = None
        self._document = document
        self._mistakes = mistakes
        self._anchors: dict[str, Node] = {}
        self._open: list[_OpenCollection] = []
        self._documents = 0
        self.quoted: tuple[int, int, int] | None = None
        """The latest text in quotes over several lines: line and column of its begin, line of its end, from 0."""

    @property
    def innermost(self) -> Node | None:
        """The collection that has begun last, of those that have not ended."""
        return self._open[-1].node if self._open else None

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            start, end = event.start_mark, event.end_mark
            if event.style in _QUOTES and start is not None and end is not None and start.line < end.line:
                self.quoted = start.line, start.column, end.line
            self._add(self._scalar(event), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                message = "a second document begins here"
                raise Malformed(self._at(event, message, "a project's file is one YAML document: remove the `---`"))

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        line, column = _place(event)
        text = event.value
        if event.tag is not None and event.tag != "!":
            try:
                return Scalar(self._document, line, column, text, resolve_tagged(event.tag, text))
            except ValueError as error:
                self._mistakes.append(self._at(event, str(error), _tag_hint(event.tag)))
                return Scalar(self._document, line, column, text, None if event.tag == "!reset" else text)
        if event.implicit[0]:
            return Scalar(self._document, line, column, text, resolve(text), "plain")
        return Scalar(self._document, line, column, text, text)

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._open) >= DEEPEST:
            raise Malformed(self._at(event, f"nested more than {DEEPEST} levels deep"))
        if event.tag not in _COLLECTIONS:
            message = f"unknown tag `{event.tag}`"
            self._mistakes.append(self._at(event, message, _tag_hint(event.tag)))
        place = (self._document, *_place(event))
        node = Mapping(*place) if isinstance(event, yaml.MappingStartEvent) else Sequence(*place, [])
        self._open.append(_OpenCollection(node, event.anchor))

    def _end(self) -> None:
        closed = self._open.pop()
        if isinstance(closed.node, Mapping):
            for source in closed.merges:
                self._merge(closed.node, source)
        self._add(closed.node, closed.anchor)

    def _alias(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            inside = any(opened.anchor == event.anchor for opened in self._open)
            what = "refers to itself" if inside else "has no anchor"
            hint = None if inside else f"`&{event.anchor}` must come before it; in a string, put quotes around the `*`"
            raise Malformed(self._at(event, f"the alias `*{event.anchor}` {what}", hint))
        self._add(node, None, event)

    def _add(self, node: Node, anchor: str | None, alias: yaml.AliasEvent | None = None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif isinstance(parent.node, Mapping):
            self._add_to_mapping(parent, parent.node, node)

    def _add_to_mapping(self, parent: _OpenCollection, mapping: Mapping, node: Node) -> None:
        key = parent.key
        if key is None:
            parent.key = node
            return
        parent.key = None
        if not isinstance(key, Scalar):
            self._mistakes.append(key.mistake("a key must be a single word, not a list or a mapping"))
        elif key.written == "plain" and key.text == "<<":
            if parent.merges:
                self._mistakes.append(key.mistake("the key `<<` is given twice", "write `<<: [*first, *second]`"))
            parent.merges.append(node)
        elif key.text in mapping.entries:
            first = mapping.entries[key.text][0].line
            message = f"the key `{key.text}` is given twice"
            self._mistakes.append(key.mistake(message, f"it was first given in line {first}; remove one of them"))
        else:
            mapping.entries[key.text] = (key, node)

    def _merge(self, mapping: Mapping, source: Node) -> None:
        """`<<: *base` or `<<: [*first, *second]`: what is written beside it wins, then the first."""
        for item in source.items if isinstance(source, Sequence) else [source]:
            if isinstance(item, Mapping):
                for key, entry in item.entries.items():
                    mapping.entries.setdefault(key, entry)
            else:
                self._mistakes.append(item.mistake("`<<` must be followed by a mapping, or a list of them"))

    def _at(self, event: yaml.Event, message: str, hint: str | None = None) -> Mistake:
        return self._document.mistake(message, *_place(event), hint)


_TAG_HINTS = {
    "!reset": "to take back what a lower file says, write the key with nothing after it (`ports:`)",
    "!override": "remove the tag: a list replaces that of the lower file; mappings are merged key by key",
}
"""For the tags by which Docker Compose changes how files are laid over one another."""


def _tag_hint(tag: str | None) -> str:
    return _TAG_HINTS.get(tag or "", "remove the tag")


def _place(event: yaml.Event) -> tuple[int, int]:
    """Line and column, from 1."""
    mark = event.start_mark
    return (0, 0) if mark is None else (mark.line + 1, mark.column + 1)


_QUOTES = ("'", '"')


def _unclosed(document: Document, error: yaml.MarkedYAMLError, composer: _Composer) -> Mistake | None:
    """Return the mistake where a quote or bracket opens that is not closed, if that explains the error."""
    quoted = composer.quoted
    opened, noticed = error.context_mark, error.problem_mark
    context = error.context or ""
    if opened is not None and "quoted scalar" in context:
        return _opens_here(document, opened.line, opened.column, "the quote that opens here is not closed")
    if quoted is not None and noticed is not None and quoted[2] == noticed.line:
        # The opening quote of one text was taken for the closing quote of the one before.
        message = f"the quote that opens here is closed only in line {noticed.line + 1}"
        return _opens_here(document, *quoted[:2], message, "is a quote missing before?")
    bracket = composer.innermost
    if bracket is not None and noticed is not None and "flow" in context and not document.text[noticed.index :].strip():
        return _opens_here(document, bracket.line - 1, bracket.column - 1, "the bracket that opens here is not closed")
    return None


def _opens_here(document: Document, line: int, column: int, message: str, hint: str | None = None) -> Mistake:
    return document.mistake(f"this is not YAML: {message}", line + 1, column + 1, hint)


def _marked(document: Document, error: yaml.MarkedYAMLError, composer: _Composer) -> Mistake:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "it cannot be parsed"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    hint = _syntax_hint(document.source(line), problem)
    opened = composer.innermost
    if hint is None and opened is not None and "flow" in (error.context or "") and opened.line < line:
        hint = f"the bracket that opens in line {opened.line} is not closed"
    return document.mistake(f"this is not YAML: {problem}", line, column, hint)


def _syntax_hint(source: str, problem: str) -> str | None:
    indent = source[: len(source) - len(source.lstrip())]
    if "\t" in indent or "tab" in problem or r"'\t'" in problem:
        return "indent with spaces: YAML forbids tabs"
    if problem.startswith("did not find expected ','") and "${" in source:
        return "put quotes around `${...}`: within `{}` and `[]` a brace means something else"
    if "mapping values are not allowed" in problem:
        return "put quotes around a string that holds `: `, and check the indentation"
    if "could not find expected ':'" in problem or "did not find expected key" in problem:
        return "check the indentation, and that each key ends with `:`"
    if problem.startswith("found character that cannot start any token"):
        return "put quotes around a string that begins with a special character"
    return None


_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is not a printable character to YAML (1.2.2, section 5.1)."""


def _unreadable(document: Document) -> Mistake:
    """Find a character that YAML forbids: the parser gives its place in bytes or in characters."""
    found = _FORBIDDEN.search(document.text)
    if found is None:
        return document.mistake("it contains characters that YAML does not allow", hint="is this a text file?")
    before = document.text[: found.start()]
    column = len(before) - (before.rfind("\n") + 1) + 1
    message = f"the character U+{ord(found[0]):04X} is not allowed in YAML"
    return document.mistake(message, before.count("\n") + 1, column, "write it as an escape in double quotes")
