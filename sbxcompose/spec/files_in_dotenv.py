"""The project's files as a `.env` names them, in `SBXCOMPOSE_FILE`."""

from __future__ import annotations

import os

from sbxcompose.spec.dotenv import parse_dotenv
from sbxcompose.spec.nodes import Document
from sbxcompose.spec.request import FILE, split_files
from sbxcompose.spec.sources import Sources


def files_named_in(path: str, sources: Sources) -> tuple[str, ...]:
    """Return the files that a file of variables names; none if it cannot be read, or is a pipe.

    What is wrong with it is reported where it is read for its variables.
    """
    content = sources.read(path)
    if isinstance(content, int) or FILE.encode() not in content:
        return ()
    document = Document(path, path, os.path.dirname(path), content.decode("utf-8-sig", "replace"))
    return split_files(parse_dotenv(document, sources.variable, []).get(FILE, ""))
