"""Tab pressed in real shells on a terminal: what then stands in the line."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.command import COMMAND, Sbx
from tests.support.tmux import TMUX, Pane

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

FILE = """\
processes:
  web: {command: exec sleep 1000, autostart: false}
  worker: {command: exec sleep 1000, autostart: false}
  job: {command: 'true', restart: never}
"""
SHELLS = {
    "bash": (["bash", "--noprofile", "--norc", "-i"], "PS1='%s '", 'eval "$(sbxcompose completion bash)"'),
    "zsh": (
        ["zsh", "-f", "-i"],
        "PROMPT='%s '; RPROMPT=; unsetopt PROMPT_SP",
        'autoload -U compinit && compinit -u -D && eval "$(sbxcompose completion zsh)"',
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        "function fish_prompt; echo -n '%s '; end; set -g fish_autosuggestion_enabled 0",
        "sbxcompose completion fish | source",
    ),
}
"""How a shell is started without anybody's settings, given a prompt, and told of completion."""
PROMPT = "ready>"
LINES = {
    "unp": "unpause @",
    "up --exit": "up --exit-code-from @",
    "restart wo": "restart worker @",
    "restart web wo": "restart web worker @",
    "up --scale wo": "up --scale worker=@",
    "up --scale=wo": "up --scale=worker=@",
    "logs job --run ": "logs job --run 1 @",
    "logs job --run=": "logs job --run=1 @",
    "shell ma": "shell main @",
    "cp wo": "cp worker:@",
    "host sta": "host status @",
    "-f sbxc": "-f sbxcompose.yaml @",
    "--file=sbxc": "--file=sbxcompose.yaml @",
    "ps --filter hea": "ps --filter health=@",
    "ps --filter health=unh": "ps --filter health=unhealthy @",
}
"""What is typed before Tab, and what stands in the line afterwards with the cursor at `@`."""


@pytest.mark.parametrize("shell", SHELLS)
def test_after_tab_the_line_is_complete(sbx: Sbx, short_dir: Path, shell: str) -> None:
    start, prompt, load = SHELLS[shell]
    if shutil.which(start[0]) is None:
        pytest.skip(f"{shell} is not installed")
    sbx.write(FILE)
    sbx.run("up", "-d", "--wait")
    environ = {**sbx.env, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    with Pane(short_dir, sbx.project, environ, *start) as pane:
        pane.write(f"{load}; {prompt % PROMPT}")
        pane.press("Enter")
        pane.wait_for(rf"(?m)^{PROMPT}\s*$")
        for typed, expected in LINES.items():
            pane.write(f"sbxcompose {typed}")
            pane.press("Tab")
            pane.write("@")
            pane.wait_for(rf"(?m)^{PROMPT} sbxcompose {re.escape(expected)}$")
            pane.press("C-u")
            pane.wait_for(rf"(?m)^{PROMPT}\s*$")
