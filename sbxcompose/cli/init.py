"""`init`: write a first project file for the repository in the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from sbxcompose.cli.context import Shell
from sbxcompose.cli.convert import check, convert_text, report, text_of, write
from sbxcompose.convert.detect import CANDIDATES
from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.convert.repository import inspect
from sbxcompose.convert.repository_files import RepositoryFiles
from sbxcompose.convert.write import render
from sbxcompose.errors import UsageError

NAME = "sbxcompose.yaml"
_GUIDE = "All keys: https://github.com/sbxcompose/sbxcompose/blob/main/docs/spec.md"
_SKIPPED = frozenset(("node_modules", ".git", "target", "dist", "build", ".venv"))


def initialize(shell: Shell, *, force: bool, to_stdout: bool) -> int:
    """Write the file, and say what is in it. Raises `UsageError` if there is one, or nothing to run was found."""
    if not to_stdout and not force and Path(NAME).exists():
        raise UsageError(f"{NAME} exists already", hint="`--force` overwrites it")
    result = _result(shell)
    if to_stdout:
        shell.print(result.rstrip("\n"))
    else:
        write(Path(NAME), result, force=force)
        shell.echo(f"wrote {NAME}; `sbxcompose up` starts it")
    check(shell, result)
    return 0


def _result(shell: Shell) -> str:
    sources = [name for name in CANDIDATES if Path(name).is_file()]
    if sources:
        source, *others = sources
        draft = convert_text(Path(source), text_of(Path(source)), None)
        report(shell, draft, source, None)
        _name_what_is_left(shell, draft, others)
        return render(draft, f"Converted from {source} by `sbxcompose init`. {_GUIDE}")
    draft = inspect(_files(Path.cwd()))
    for note in draft.notes:
        shell.echo(f"{note.file}:{note.line}: {note.text}" if note.line else str(note))
    if not draft.processes:
        also_here = ", ".join(draft.others)
        raise UsageError(
            f"cannot write {NAME}: found nothing to run (a file of another tool, package.json, pyproject.toml, ...)",
            hint=f"{also_here and f'what may be meant: {also_here}; '}"
            "write it by hand, for example `processes: {web: {command: ./serve}}`; "
            "https://github.com/sbxcompose/sbxcompose#a-quick-tour shows more",
        )
    for name, comment in draft.comments.items():
        shell.echo(f"{name}: {draft.processes[name]['command'].replace('$$', '$')} (from {comment})")
    _list_left_over(shell, draft.others)
    return render(draft, f"Written by `sbxcompose init`. {_GUIDE}")


def _name_what_is_left(shell: Shell, draft: ProjectDraft, sources: list[str]) -> None:
    """Name what the repository can run beside what was converted: many Compose files hold the databases alone."""
    rest = [f"{name}: `sbxcompose convert {name}` prints what it becomes" for name in sources]
    if not sources:
        known = {str(keys.get("command")) for keys in draft.processes.values()}
        found = inspect(_files(Path.cwd()))
        commands = {name: keys["command"] for name, keys in found.processes.items() if keys["command"] not in known}
        rest = [f"{command.replace('$$', '$')} (from {found.comments[name]})" for name, command in commands.items()]
    _list_left_over(shell, rest)


def _list_left_over(shell: Shell, lines: list[str]) -> None:
    if lines:
        shell.echo(f"\n{shell.err.bold('also here, and not in the result')} ({len(lines)}):")
    for line in lines:
        shell.echo(f"  {line}")


def _files(directory: Path) -> RepositoryFiles:
    def read(path: str) -> str | None:
        try:
            return text_of(directory / path)
        except UsageError:
            return None

    def names(path: str) -> list[str]:
        try:
            return sorted(set(os.listdir(directory / path)) - _SKIPPED)
        except OSError:
            return []

    return RepositoryFiles(read, names)
