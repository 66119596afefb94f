"""`python -m benchmarks.conversion FOLDER`: how many Compose and process-compose files below a folder can be used.

Each is converted as `convert` does it; it counts if `config` accepts the result. Nothing of the files is run.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sbxcompose.cli.convert import convert_text, text_of
from sbxcompose.convert.detect import detect
from sbxcompose.convert.write import render
from sbxcompose.errors import InvalidSpec, SbxError
from sbxcompose.spec.load import load_project
from sbxcompose.spec.nodes import Document
from sbxcompose.spec.request import LoadRequest

_NAME = re.compile(r"(?:docker-|process-)?compose[^/]*\.ya?ml", re.IGNORECASE)


def refused(path: Path, text: str, source: str | None = None) -> list[str]:
    """Return what is wrong with what a file becomes; nothing if `config` accepts it."""
    try:
        result = render(convert_text(path, text, source), "")
        request = LoadRequest(str(path.parent), ("-",), "converted", environ={}, stdin=result.encode)
        project = load_project(request)
        project.check_resolved((process.sandbox, process.name) for process in project.every_process())
    except InvalidSpec as error:
        return [mistake.message for mistake in error.mistakes]
    except SbxError as error:
        return [error.message]
    return []


def _files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder):
        yield from (Path(directory, name) for name in sorted(names) if _NAME.fullmatch(name))


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversion", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.absolute()
    accepted, all_files = Counter[str](), Counter[str]()
    for path in _files(folder):
        try:
            text = text_of(path)
            kind = detect(path.name, Document(path.name, str(path), str(path.parent), text))
        except SbxError as error:
            print(f"{path.relative_to(folder)}: skipped: {error.message}")
            continue
        found = refused(path, text, kind)
        all_files[kind] += 1
        accepted[kind] += not found
        if found:
            print(f"{path.relative_to(folder)}: {'; '.join(dict.fromkeys(found))}")
    for kind, count in all_files.items():
        print(f"{kind}: {accepted[kind]} of {count} accepted")


if __name__ == "__main__":
    _main()
