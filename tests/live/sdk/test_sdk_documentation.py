"""Every snippet of docs/emulator.md, run as it stands, prints what the page says."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import programs
from tests.support.command import COMMAND
from tests.support.home import Home
from tests.support.ports import free_port

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"
PORT = "8900"
HOST = f'eval "$(sbxcompose host serve --detach --port {PORT} --key dev)"\n'
RUN = {"sh": "bash -eu snippet.sh", "python": "python snippet.py", "js": "node snippet.mjs"}
ENDS = frozenset({0, *(end for number in (signal.SIGSEGV, signal.SIGABRT) for end in (-number, 128 + number))})
"""Threads of the SDK's extension now and then crash an interpreter that has done all it had to."""


class Snippet(NamedTuple):
    """A code block, and the `text` block after it, if there is one before the next."""

    language: str
    code: str
    output: str | None


def snippets() -> list[Snippet]:
    """The snippets of the page, in order."""
    found: list[Snippet] = []
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if language == "text":
            found[-1] = found[-1]._replace(output=code)
        else:
            found.append(Snippet(language, code, None))
    return found


def desk(home: Home, snippet: Snippet) -> dict[str, str]:
    """Somebody's directory with the snippet and all programs that it may call; the environment."""
    found = {"sbxcompose": COMMAND, "python": programs.python_sdk(), "tl": programs.command_line()}
    if snippet.language == "js":
        node, module = programs.typescript_sdk()
        found["node"] = node
        (home.root / "node_modules").symlink_to(module.parents[2])
    (home.root / "bin").mkdir()
    for name, program in found.items():
        wrapper = home.root / "bin" / name
        wrapper.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        wrapper.chmod(0o755)
    return home.environment(PATH=f"{home.root}/bin:/usr/bin:/bin")


SNIPPETS = snippets()


def test_the_page_has_a_snippet_for_each_client() -> None:
    assert {snippet.language for snippet in SNIPPETS} == set(RUN)
    assert {"tl sbx", "curl", "host serve", "host status"} <= {
        word for word in ("tl sbx", "curl", "host serve", "host status") for snippet in SNIPPETS if word in snippet.code
    }


@pytest.mark.parametrize("number", range(len(SNIPPETS)), ids=lambda number: f"{number}-{SNIPPETS[number].language}")
def test_a_snippet_prints_what_the_page_says(home: Home, need: Callable[[str], None], number: int) -> None:
    snippet, port = SNIPPETS[number], str(free_port())
    for client in ("python", "tl", *(["typescript"] if snippet.language == "js" else [])):
        need(client)
    environ = desk(home, snippet)
    (home.root / RUN[snippet.language].split()[-1]).write_text(snippet.code.replace(PORT, port))
    script = ("" if "host serve" in snippet.code else HOST) + RUN[snippet.language]
    try:
        done = subprocess.run(
            ["bash", "-euc", script.replace(PORT, port)],
            env=environ,
            cwd=home.root,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    finally:
        subprocess.run([COMMAND, "host", "stop", "--force"], env=environ, check=False, capture_output=True)
    assert done.returncode in (ENDS if snippet.language == "python" else {0}), done.stderr
    if snippet.output is not None:
        assert done.stdout.rstrip("\n") == snippet.output.replace(PORT, port).rstrip("\n")
