"""Completion in real shells: the scripts that the command prints, and the answers they get."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from shlex import quote

import pytest

from tests.support.command import COMMAND, Sbx

FILE = """\
processes:
  web: {command: run-web}
  worker: {command: run-worker, profiles: [jobs]}
"""

COMPLETE = """\
eval "$(sbxcompose completion bash)" || exit 1
COMP_LINE=%s COMP_POINT=${#COMP_LINE}
_sbxcompose_completion sbxcompose %s
printf '%%s\\n' "${COMPREPLY[@]}"
"""
OF_ZSH = """\
autoload -U compinit && compinit -u -D && eval "$(sbxcompose completion zsh)" || exit 1
_describe() { print -l -- "${described[@]}" }
compadd() { print -l -- ${(P)${@[-1]}} }
words=(%s)
CURRENT=${#words}
PREFIX=$words[CURRENT]
${_comps[sbxcompose]}
"""
OF_FISH = 'sbxcompose completion fish | source; complete -C "%s"'
OTHERS = {"zsh": (["zsh", "-f"], OF_ZSH), "fish": (["fish", "--no-config"], OF_FISH)}
"""How a shell is started without anybody's settings, and what has it complete a line."""


def completions(sbx: Sbx, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    environ = {**sbx.env, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    script = COMPLETE % (quote(" ".join(["sbxcompose", *words])), quote(words[-1]))
    done = subprocess.run(["bash", "-c", script], cwd=sbx.project, env=environ, capture_output=True, text=True)
    others = [line for line in done.stderr.splitlines() if "compopt: not currently executing" not in line]
    assert not others, done.stderr
    return done.stdout.split()


# What is offered where: tests/unit/cli/test_quick_completion.py. Here is what bash does with each kind of answer.
@pytest.mark.parametrize(
    "words, expected",
    [
        (["unp"], ["unpause"]),
        (["up", "w"], ["web", "worker"]),
        (["up", "--abort"], ["--abort-on-exit", "--abort-on-container-exit"]),
        (["up", "--scale", "we"], ["web="]),
        (["cp", "we"], ["web:"]),
        (["no-such-command", "w"], []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bash_offers(dry: Sbx, words: list[str], expected: list[str]) -> None:
    dry.write(FILE)
    assert sorted(completions(dry, *words)) == sorted(expected)


def test_replicas_are_offered_beside_their_process_and_many_once_it_is_named(dry: Sbx) -> None:
    dry.write("processes: {web: {command: x, replicas: 3}, worker: {command: y, replicas: 200}}\n")
    assert completions(dry, "restart", "w") == ["web", "worker", "web.1", "web.2", "web.3"]
    assert completions(dry, "restart", "web.2", "web.") == ["web.1", "web.3"]
    assert len(completions(dry, "logs", "worker.")) == 200
    assert completions(dry, "shell", "worker.19")[:2] == ["worker.19", "worker.190"]
    assert completions(dry, "cp", "web.2") == ["web.2:"]
    assert completions(dry, "up", "--scale", "we") == ["web="]
    assert completions(dry, "stop", "") == ["web", "worker"]


def test_a_file_with_mistakes_offers_nothing_and_prints_nothing(dry: Sbx) -> None:
    dry.write("processes: {web: {comand: x}}\n")
    assert completions(dry, "up", "w") == []


@pytest.mark.parametrize("shell", OTHERS)
@pytest.mark.parametrize(
    "words, expected",
    [
        ("restart w", ["web", "worker"]),
        ("restart web w", ["worker"]),
        ("up --exit", ["--exit-code-from"]),
        ("up --scale we", ["web="]),
        ("unp", ["unpause"]),
        ("logs nonesuch --ta", ["--tail"]),
    ],
)
def test_other_shells_offer_the_same(dry: Sbx, shell: str, words: str, expected: list[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    dry.write(FILE)
    start, script = OTHERS[shell]
    environ = {**dry.env, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*start, "-c", script % f"sbxcompose {words}"], cwd=dry.project, env=environ, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert sorted(re.split(r"[\t:]", line)[0] for line in done.stdout.splitlines() if line) == sorted(expected)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script(dry: Sbx, shell: str) -> None:
    assert f"_SBXCOMPOSE_COMPLETE={shell}_complete" in dry.run("completion", shell).stdout


def test_runs_whose_output_is_kept_are_offered_without_a_host(sbx_alone: Sbx) -> None:
    sbx_alone.write("processes: {web: {command: 'exec sleep 1000'}, job: {command: 'true', restart: never}}\n")
    sbx_alone.run("up", "-d", "--wait")
    sbx_alone.run("restart", "web")
    sbx_alone.run("restart", "web")
    sbx_alone.run("host", "stop", "--force")
    assert completions(sbx_alone, "logs", "web", "--run", "") == ["3", "2", "1"]
    assert completions(sbx_alone, "logs", "job", "--run", "") == ["1"]
    assert completions(sbx_alone, "logs", "--run", "2") == ["2"]
    assert completions(sbx_alone, "logs", "w*", "--run", "3") == ["3"]
    assert completions(sbx_alone, "logs", "nonesuch", "--run", "") == []
    assert "host is not running" in sbx_alone.run("host", "status", code=None).stdout
