"""An error as a text that stands alone: for coding agents, and for reports of tests."""

from __future__ import annotations

from sbxcompose.errors import InvalidSpec, SbxError
from sbxcompose.spec.open import open_project
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest


def read_with_notes(request: LoadRequest) -> Project:
    """Read a project. The traceback of what it raises shows all mistakes with their lines, or the remedy."""
    try:
        return open_project(request)
    except SbxError as error:
        if isinstance(error, InvalidSpec):
            from sbxcompose.spec.report import render

            error.add_note(render(error))
        add_hint(error)
        raise


def add_hint(error: SbxError) -> None:
    """Have the traceback of an error show its remedy."""
    note = f"hint: {error.hint}"
    if error.hint and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def error_words(error: SbxError) -> str:
    """Return the error, its causes with their last lines, and the remedy; of a file with mistakes all of them."""
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        return render(error)
    hint = [f"hint: {error.hint}"] if error.hint else []
    notes = [note for note in getattr(error, "__notes__", ()) if note not in hint]
    told = any(note.startswith(error.message) for note in notes)
    return "\n".join([*([] if told else [error.message]), *notes, *hint])
