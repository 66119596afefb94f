"""What the values of parameters are, for shell completion.

Commands say it with these objects. `option_table` writes it into the table from which `quick_completion` answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem


class Completion:
    """What the values of a parameter are, by the name under which `quick_values` knows it; for `shell_complete=`."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __call__(self, context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return nothing: click wants a function here, and never calls it since it is not asked for completions."""
        return []


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
STATES = Completion(
    "choice running starting healthy ready unhealthy backing-off exited completed stopped suspended not-started"
)
RUNS = Completion("runs")
"""The numbers of runs whose output is kept, of the processes named so far."""
PROVIDERS = Completion("choice local tensorlake")
