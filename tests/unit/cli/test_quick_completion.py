"""Quick completion says what click would say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.cli import quick_completion
from sbxcompose.cli.command_names import COMMANDS, VARIABLE
from sbxcompose.cli.completion import answer
from sbxcompose.cli.main import cli
from sbxcompose.cli.option_table import table
from sbxcompose.cli.quick_completion import quick_answer

FILE = "processes: {web: {command: x}, worker: {command: x}, db: {command: x, profiles: [y]}}\n"
LEFT_TO_CLICK = (
    "up --nonesuch -",
    "logs --tail ",
    "up --scale web=2 w",
    "exec web -",
    "up -dw --",
    "-p x logs ",
    "logs 'w",
    "nonesuch ",
    "x",
    "exec web ",
    "port ",
    "run web w",
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sbxcompose.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)


def asked(shell: str, line: str) -> dict[str, str]:
    """What the shell's script puts into the environment for a command line with the cursor at its end."""
    words = f"sbxcompose {line}".split(" ")
    place = words[-1] if shell == "fish" else str(len(words) - 1)
    return {VARIABLE: f"{shell}_complete", "COMP_WORDS": " ".join(words).strip(), "COMP_CWORD": place}


def names(line: str = "up ") -> str | None:
    return quick_answer(asked("bash", line))


def test_kept_names_are_those_of_the_file_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert names() == "plain,web\nplain,worker\nplain,db\n"
    monkeypatch.setattr("sbxcompose.cli.context.Shell.project", None)  # from now on it is not read again
    assert names() == "plain,web\nplain,worker\nplain,db\n"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "sbxcompose.yaml"
    file.write_text("include: ['${MORE}.yaml']\nprocesses: {api: {command: x}}\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"processes: {{{name}: {{command: x}}}}\n")
        monkeypatch.setenv("MORE", name)
        assert names(f"up {name}") == f"plain,{name}\n"
    (tmp_path / "sbxcompose.override.yaml").write_text("processes: {late: {command: x}}\n")
    assert names("up l") == "plain,late\n"
    file.unlink()
    (tmp_path / "sbxcompose.override.yaml").unlink()
    assert names() == ""


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n\n", b"1 2\nx"])
def test_kept_names_that_are_damaged_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert names("up d") == "plain,db\n"
    (kept,) = (tmp_path / "cache" / "sbxcompose").glob("names-*")
    for damaged in (content, kept.read_bytes()[:-3], kept.read_bytes() + b"more"):
        kept.write_bytes(damaged)
        assert names("up d") == "plain,db\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_says_what_click_says(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "",
        "s",
        *(f"{name} {rest}" for name in COMMANDS for rest in ("", "w", "web ", "web w", "zz", "-", "--", "--w")),
    ]
    lines += [
        "-",
        "--p",
        "up -d w",
        "up --wait --w",
        "up --attach web --a",
        "up --timeout 5 web -",
        "logs -f --tail 5 w",
    ]
    lines += ["host -", "host serve --", "exec web -", "run web -", "exec -", "host stop --f"]
    quick = 0
    for line in lines:
        environ = asked(shell, line)
        found = quick_answer(environ)
        if found is None:
            continue
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        assert answer(cli, environ[VARIABLE]) == 0
        assert capsys.readouterr().out == (found or "\n"), line
        quick += 1
    assert quick > 175, "options of every command, names of commands, and of processes for the commands that take them"


def test_the_table_of_options_is_that_of_the_commands() -> None:
    written = Path(quick_completion.__file__).with_name("options.tsv").read_text()
    assert written == table(), "write it anew: make options"


@pytest.mark.parametrize("line", LEFT_TO_CLICK)
def test_the_rest_is_left_to_click(line: str) -> None:
    assert quick_answer(asked("bash", line)) is None
    assert quick_answer({}) is None
    assert quick_answer({VARIABLE: "bash_source"}) is None


def test_a_file_with_mistakes_completes_nothing_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sbxcompose.yaml").write_text("processes: [")
    assert quick_answer(asked("bash", "logs ")) == ""
    assert capsys.readouterr().err == ""
