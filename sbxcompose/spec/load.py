"""Find, read, merge, interpolate, validate -> `Project`: the only way from files to what is wanted."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sbxcompose.errors import Mistake, UsageError
from sbxcompose.spec.assemble import Assembler
from sbxcompose.spec.extends import extend
from sbxcompose.spec.files import ProjectReader, find_files, raise_mistakes
from sbxcompose.spec.locations import Places
from sbxcompose.spec.lost_sections import has_lost_section
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest
from sbxcompose.spec.sources import Sources
from sbxcompose.spec.unresolved import leave_out, scope_of
from sbxcompose.spec.unresolved_part import Unresolved
from sbxcompose.spec.validate import validate
from sbxcompose.spec.values import Converter

__all__ = ["LoadRequest", "load_project"]


def load_project(request: LoadRequest, sources: Sources | None = None) -> Project:
    """Load the project that a request leads to.

    `sources`, if given, afterwards knows everything that was looked at. Raises `SpecNotFound`,
    `InvalidSpec` with every mistake found, and `UsageError` for what the request itself has wrong.
    What only some of the processes need and could not be resolved is not an error yet, see `Project.unresolved`.
    """
    sources = sources or Sources(request.environ, request.stdin, request.pipes)
    found = find_files(request, sources)
    reader = ProjectReader(request, sources)
    reader.read_dotenv(found)
    root = reader.read_all(found)
    reader.lacks_names = has_lost_section(root)
    root = extend(root, reader.mistakes_of_names)
    places = Places(root)
    converter = Converter(reader.variable, reader.size)
    values = converter.convert(root)
    reader.mistakes.extend(converter.mistakes)
    if converter.exhausted:
        raise_mistakes(reader.mistakes)
    unresolved = _take_out(converter, values, reader.mistakes)
    wrong: list[Mistake] = []
    model = validate(values, places, wrong, {(value.sandbox, value.process) for value in unresolved})
    reader.mistakes.extend(
        mistake for mistake in wrong if (mistake.file, mistake.line, mistake.column) not in converter.broken
    )
    if model is None:
        raise_mistakes([*reader.mistakes, *(value.mistake for value in unresolved)])
    assert model is not None
    assembler = Assembler(reader, model, places, converter.uses, found.directory)
    try:
        project = assembler.assemble()
    except UsageError:
        # The file comes first: what the command line says of it may be right once the file is.
        raise_mistakes(reader.mistakes)
        raise
    unresolved += assembler.variables.unresolved
    if reader.mistakes:
        raise_mistakes([*reader.mistakes, *(value.mistake for value in unresolved)])
    return replace(project, unresolved=tuple(unresolved)) if unresolved else project


def _take_out(converter: Converter, values: Any, mistakes: list[Mistake]) -> list[Unresolved]:
    """Take what only some processes need, and has no value, out of `values`; the rest is a mistake of the file."""
    found = []
    for path, mistake in converter.unset:
        scope = scope_of(path)
        if scope is None:
            mistakes.append(mistake)
        else:
            leave_out(values, path)
            found.append(Unresolved.of(mistake, scope))
    return found
