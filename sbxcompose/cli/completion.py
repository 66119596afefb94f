"""Shell completion: what can stand at a place of the command line, from the project's file.

Commands say with these objects what their parameters take. `quick_completion` answers a shell from the table that is
made of them; click's own way through the commands remains for lines which that cannot read, and gives the same values.
Nothing is asked of a host or a cloud: completion must answer while a person types. The numbers of runs are read from
the files of this machine's host. A file with mistakes completes nothing, and says nothing.
"""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from sbxcompose.cli.command_names import VARIABLE
from sbxcompose.errors import SbxError


def answer(command: click.Command, instruction: str) -> int:
    """Answer a request of the shell's script; the exit code."""
    from click.shell_completion import shell_complete

    try:
        return shell_complete(command, {}, "sbxcompose", VARIABLE, instruction)
    except SbxError:
        return 0


class Completion:
    """What the values of a parameter are, by the name under which `quick_values` knows it; for `shell_complete=`."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __call__(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return what begins with `incomplete`."""
        from sbxcompose.cli.quick_values import (
            GLOBAL_OPTIONS,
            ValueRequest,
            values,
        )  # late: every command imports this file

        root = context.find_root().params
        given = context.params.get(parameter.name or "") or ()
        # Where an option lacks its value, click has parsed no arguments: what may be names is left in `args`.
        names = context.params.get("names") or context.args
        options = {name: root[name] for name in GLOBAL_OPTIONS.values() if root.get(name)}
        request = ValueRequest(options, given if isinstance(given, tuple) else (), names)
        return [CompletionItem(value, type=kind) for kind, value, _ in values(self.source, incomplete, request)]


PROCESSES = Completion("processes")
SANDBOXES = Completion("sandboxes")
PLACES = Completion("places")
"""Processes and sandboxes."""
PROFILES = Completion("profiles")
SCALES = Completion("scales")
"""NAME= of a process."""
PLACE_OR_FILE = Completion("place_or_file")
"""NAME: of a process or sandbox, or a local file."""
FILES = Completion("files")
DIRECTORIES = Completion("directories")
SIGNALS = Completion("signals")
FILTERS = Completion("filters")
"""KEY=VALUE of a process filter."""
RUNS = Completion("runs")
"""The numbers of runs whose output is kept, of the processes named so far."""
PROVIDERS = Completion("choice local tensorlake")
