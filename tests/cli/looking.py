"""What the tests of the command ask again and again: how the rows are, what was said, and gates to hold a process."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.command import Result, Sbx

FOREVER = "exec sleep 1000"
"""A service, for a shell: it ends at once when told to."""
WEB = f"processes: {{web: {{command: {FOREVER}, env: {{OF_WEB: yes indeed}}, workdir: sub}}}}\n"
"""A process with surroundings of its own."""


def rows(sbx: Sbx, *arguments: str) -> dict[str, dict[str, Any]]:
    """Everything that `ps` knows, by name."""
    return {item["name"]: item for item in sbx.run(*arguments, "ps", "--all", "--json").json}


def pids(sbx: Sbx) -> dict[str, int]:
    """The process ids of what runs, by name."""
    return {name: row["pid"] for name, row in rows(sbx).items() if row["pid"] is not None}


def runs(sbx: Sbx) -> dict[str, int]:
    """The number of the latest run of each process."""
    return {name: row["run"] for name, row in rows(sbx).items() if row["run"] is not None}


def same(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The names that have the same value before and after."""
    return {name for name, value in before.items() if after.get(name) == value}


def web(sbx: Sbx) -> None:
    """Bring up `web`, which works in the folder `sub`."""
    sbx.write(WEB)
    (sbx.project / "sub").mkdir()
    sbx.run("up", "-d")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet reaped does not."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def refused(sbx: Sbx, *arguments: str, code: int = 2, **options: Any) -> str:
    """What a command says that must fail with `code`: talk on stderr only, and never a traceback."""
    result = sbx.run(*arguments, code=code, **options)
    assert "Traceback" not in result.stdout + result.stderr, str(result)
    assert result.stdout == "", str(result)
    assert result.stderr.strip(), "it failed without a word"
    return result.stderr


def lines(result: Result) -> list[str]:
    """Its standard output, line by line, without prefixes."""
    return [re.sub(r"^\S* *[|!] ", "", line) for line in result.stdout.splitlines()]


def logged(sbx: Sbx, pattern: str, *arguments: str) -> str:
    """The output of `logs` once it shows `pattern`: what was started is not yet what has printed something."""
    with sbx.start("logs", "-f", *arguments) as logs:
        return logs.wait_for(pattern)


def timed_out(sbx: Sbx, words: str, *arguments: str) -> Result:
    """The first result with `words` of a command that gives up after TIMEOUT, ever more: a loaded machine is slow."""
    for seconds in ("0.3", "2", "8", "30"):
        result = sbx.run(*(seconds if word == "TIMEOUT" else word for word in arguments), code=124)
        if words in result.stderr:
            break
    assert words in result.stderr, str(result)
    return result


def json_lines(text: str) -> list[dict[str, Any]]:
    """JSON lines, parsed."""
    return [json.loads(line) for line in text.splitlines()]


class Gate:
    """A FIFO on which a process of the project waits: `read _ < NAME` in a shell returns when it is opened."""

    def __init__(self, sbx: Sbx, name: str = "gate") -> None:
        self.path = sbx.project / name
        os.mkfifo(self.path)

    def open(self) -> None:
        """Let one process through; waits until it is there.

        The next one finds a new FIFO: at this one it could come before we have left, and go through without being let.
        """
        with self.path.open("wb") as gate:
            fresh = self.path.with_name(f"{self.path.name}.next")
            os.mkfifo(fresh)
            fresh.replace(self.path)
            gate.write(b"go\n")


def order_of(text: str, *words: str) -> None:
    """Assert that the words come in this order."""
    places = [text.find(word) for word in words]
    assert -1 not in places, f"missing: {[word for word in words if word not in text]} in\n{text}"
    assert places == sorted(places), f"not in the order {words}:\n{text}"
