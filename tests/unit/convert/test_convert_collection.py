"""A collection of files with what public ones hold: what each becomes is accepted by `config`, apart from a few.

`tests/data/collection` has one file for each tool; its documents were written for this test, one for each construct
that a survey of public files found, and begin with a name in a comment. `python -m benchmarks.conversion FOLDER`
counts the same for files of others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.conversion import refused

COLLECTION = Path(__file__).parents[2] / "data" / "collection"
REFUSED = {
    "process-compose": {
        "probe with variables": "`PORT` is not set",
        "cycle": "dependency cycle",
        "wrong key at the top": "defines no processes",
    },
    "compose": {
        "required variable": "`SECRET` is not set: set SECRET",
        "env file": "`.env.production` does not exist",
        "cycle": "dependency cycle",
        "include alone": "defines no processes",
    },
}
"""What is refused, and rightly: the tool itself refuses it, or a person has to add something first."""


def documents(tool: str) -> dict[str, str]:
    """The documents of a tool by name."""
    found = {}
    for text in (COLLECTION / f"{tool}.yaml").read_text().split("\n---\n"):
        heading, _, rest = text.partition("\n")
        found[heading.removeprefix("# ")] = rest
    return found


@pytest.mark.parametrize("tool, fewest", [("compose", 39), ("process-compose", 30)])
def test_all_that_can_be_used_is_accepted(tool: str, fewest: int, tmp_path: Path) -> None:
    collected = documents(tool)
    assert len(collected) >= fewest
    mistakes = {name: refused(tmp_path / f"{tool}.yaml", text, tool) for name, text in collected.items()}
    assert {name: found for name, found in mistakes.items() if found and name not in REFUSED[tool]} == {}
    for name, words in REFUSED[tool].items():
        assert any(words in message for message in mistakes[name]), name
