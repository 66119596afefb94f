"""Man pages, made from the commands themselves: `python -m sbxcompose.cli.man DIRECTORY` writes them."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.examples import EXAMPLES, typed
from sbxcompose.cli.main import EPILOG, cli
from sbxcompose.version import __version__


def pages() -> dict[str, str]:
    """Return the pages by the names of their files: `sbxcompose.1`, `sbxcompose-up.1`, …"""
    root = click.Context(cli, info_name="sbxcompose", **cli.context_settings)
    found = {"sbxcompose.1": _root_page(root)}
    for name, (_, meaning) in COMMANDS.items():
        command = cli.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root)
        found[f"sbxcompose-{name}.1"] = _page(name, meaning, context)
        for sub, subcommand in getattr(command, "commands", {}).items():
            below = click.Context(subcommand, info_name=sub, parent=context)
            meaning = subcommand.get_short_help_str(80).removesuffix(".")
            found[f"sbxcompose-{name}-{sub}.1"] = _page(f"{name} {sub}", meaning, below)
    return found


def _root_page(context: click.Context) -> str:
    commands = [
        line
        for name, (_, meaning) in COMMANDS.items()
        for line in (".TP", f"\\fBsbxcompose\\-{_text(name)}\\fR(1)", f"{_line(meaning)}.")
    ]
    codes = EPILOG.rpartition("\b\n")[2].partition(":")[2]
    parts = [
        _head("sbxcompose", "Declarative orchestration of sandboxes and processes"),
        _synopsis(context),
        ["", ".SH DESCRIPTION", *_paragraphs(context.command.help or "")],
        _options(context),
        [".SH COMMANDS", *commands],
        [".SH EXIT STATUS", _line(" ".join(codes.split()))],
    ]
    return _joined(parts)


def _page(name: str, meaning: str, context: click.Context) -> str:
    examples = [
        line
        for command, what in EXAMPLES.get(name, ())
        for line in (".TP", f"\\fB{_text(typed(command))}\\fR", f"{_line(what)}.")
    ]
    parts = [
        _head(f"sbxcompose {name}", meaning),
        _synopsis(context),
        [".SH DESCRIPTION", *_paragraphs(context.command.help or "")],
        _options(context),
        [".SH EXAMPLES", *examples] if examples else [],
        [".SH SEE ALSO", "\\fBsbxcompose\\fR(1)"],
    ]
    return _joined(parts)


def _head(name: str, meaning: str) -> list[str]:
    title = name.replace(" ", "-")
    return [
        f'.TH "{_text(title.upper())}" "1" "" "sbxcompose {__version__}" "User commands"',
        ".SH NAME",
        f"{_text(title)} \\- {_line(meaning)}",
    ]


def _synopsis(context: click.Context) -> list[str]:
    pieces = context.command.collect_usage_pieces(context)
    return [".SH SYNOPSIS", f"\\fB{_text(context.command_path)}\\fR {_text(' '.join(pieces))}"]


def _options(context: click.Context) -> list[str]:
    lines: list[str] = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            lines += [".TP", f"\\fB{_text(record[0])}\\fR", _line(record[1]) or "\\&"]
    return [".SH OPTIONS", *lines] if lines else []


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text))):
        if number:
            yield ".PP"
        yield _line(" ".join(paragraph.replace("\b", "").split()))


def _line(text: str) -> str:
    """Return one line of text; what stands in backticks is bold."""
    shown = re.sub(r"`([^`]+)`", lambda found: f"\x00{found[1]}\x01", text)
    return _text(shown).replace("\x00", "\\fB").replace("\x01", "\\fR")


def _text(text: str) -> str:
    """Return text that means itself: roff reads backslashes, and lines that begin with a dot or a quote."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("→", "->")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _joined(parts: list[list[str]]) -> str:
    return "\n".join(line for part in parts for line in part if line) + "\n"


def write_pages(directory: Path) -> list[Path]:
    """Write all pages into a directory, which is made; their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages().items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    print(f"wrote {len(write_pages(Path(sys.argv[1])))} pages to {sys.argv[1]}")
