"""Start-up time is a feature: what answers at once must not load what it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sbxcompose import __version__
from tests.support.command import COMMAND, Sbx

ROOT = Path(__file__).parents[2]
HEAVY = {"anyio", "asyncio", "h11", "httpx", "pydantic", "rich", "starlette", "uvicorn", "wsproto", "yaml"}
LOADED = """import sys; before = set(sys.modules); sys.argv = ['sbxcompose', *{arguments!r}]
{call}
print(*sys.modules.keys() - before, file=sys.stderr)"""
CALL = "from sbxcompose.cli.entry import main\ntry: main()\nexcept SystemExit: pass"


def loaded_by(*arguments: str, call: str = CALL) -> set[str]:
    """The top-level modules that a fresh Python has loaded once the command has answered."""
    return {name.partition(".")[0] for name in modules_loaded_by(*arguments, call=call)}


def modules_loaded_by(
    *arguments: str, call: str = CALL, cwd: Path | None = None, env: dict[str, str] | None = None
) -> list[str]:
    """All modules that a fresh Python has loaded once the command has answered, but for those that it begins with."""
    script = LOADED.format(arguments=arguments, call=call)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, env=env)
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_loads_nothing_heavy(argument: str) -> None:
    assert loaded_by(argument) & HEAVY == set()


def test_the_version_does_not_even_load_click() -> None:
    loaded = loaded_by("--version")
    assert "sbxcompose" in loaded
    assert "click" not in loaded


def test_importing_the_package_imports_nothing_but_its_version() -> None:
    script = "import sys; before = set(sys.modules); import sbxcompose; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sbxcompose", "sbxcompose.version"]


def test_opening_a_project_from_python_loads_no_more_than_a_command_does() -> None:
    loaded = loaded_by(call="import sbxcompose; sbxcompose.open_project")
    assert loaded & (HEAVY - {"asyncio", "h11"}) == set()
    assert "click" not in loaded


@pytest.mark.parametrize("module", ["cli.background_up", "cli.foreground", "api.sandbox", "host.server"])
def test_sockets_are_loaded_when_the_first_one_is_opened(module: str) -> None:
    loaded = loaded_by(call=f"import sbxcompose.{module}")
    assert "h11" in loaded
    assert "wsproto" not in loaded


def test_up_starts_the_host_before_it_imports_what_talks_to_it() -> None:
    loaded = loaded_by(call="import sbxcompose.cli.bring_up, sbxcompose.engine.local_host.keeper_start")
    assert "msgspec" in loaded
    assert not {"asyncio", "h11"} & loaded


@pytest.mark.parametrize(
    "words,most", [(["ps"], 308), (["plan"], 321), (["up", "-d"], 332), (["down"], 334), (["logs"], 314)]
)
def test_everyday_commands_load_few_modules(sbx: Sbx, words: list[str], most: int) -> None:
    """A module costs a fifth of a millisecond or more: these counts are today's, with room for the standard library."""
    sbx.write("processes: {web: {command: sleep 1000}}\n")
    sbx.run("up", "-d")  # starts the host, and fills the cache of resolved files
    loaded = modules_loaded_by(*words, cwd=sbx.project, env=sbx.env)
    assert {name.partition(".")[0] for name in loaded} & (HEAVY - {"asyncio", "h11"}) == set()
    assert len(loaded) <= most


COMPLETED = (
    *("u", "up --w", "up w", "logs -f w", "up --scale w", "--profile w", "host s", "shell m", "port w", "cp w"),
    *("up --exit-code-from=w", "-f sbxcompose.yaml up w", "--color a", "kill -s u", "completion b", "convert s"),
    *("nonesuch w", "up --nonesuch w", "up -q --w", "version web w", "x"),
)


def test_completion_loads_nothing_but_the_standard_library(sbx: Sbx) -> None:
    """A person waits for each answer: it has 30 ms more than `--version`, and msgspec alone takes 20."""
    sbx.write("processes: {web: {command: sleep 1000}}\n")

    def loaded(line: str) -> set[str]:
        asked = {"_SBXCOMPOSE_COMPLETE": "bash_complete", "COMP_WORDS": f"sbxcompose {line}"}
        return set(modules_loaded_by(cwd=sbx.project, env={**sbx.env, **asked}))

    for line in ("up w", "-f sbxcompose.yaml up w"):  # the first one reads the file
        loaded(line)
    answers = {line: loaded(line) for line in COMPLETED}
    own = {line: {name for name in names if name.startswith("sbxcompose.")} for line, names in answers.items()}
    foreign = {"click", "msgspec", "re", "json", "pathlib", *HEAVY}
    heavy = {line: {name.partition(".")[0] for name in names} & foreign for line, names in answers.items()}
    assert {line: names for line, names in heavy.items() if names} == {}
    assert {line: names for line, names in own.items() if len(names) > 13} == {}


@pytest.mark.parametrize("line, most", [("logs web --run 1", 22), ("ps --filter h", 14)])
def test_completion_of_runs_and_filters_loads_little_more(sbx: Sbx, line: str, most: int) -> None:
    sbx.write("processes: {web: {command: sleep 1000}}\n")
    sbx.run("up", "-d", "--wait")
    asked = {"_SBXCOMPOSE_COMPLETE": "bash_complete", "COMP_WORDS": f"sbxcompose {line}"}
    for _ in range(2):  # the first may read the file
        loaded = modules_loaded_by(cwd=sbx.project, env={**sbx.env, **asked})
    own = {name for name in loaded if name.startswith("sbxcompose.")}
    assert {name.partition(".")[0] for name in loaded} & {"click", "msgspec", "pathlib", *HEAVY} == set()
    assert len(own) <= most, own


def test_the_check_above_sees_what_is_loaded() -> None:
    assert {"yaml", "pydantic"} <= loaded_by(call="import yaml, pydantic")


def test_the_installed_command_tells_its_version() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sbxcompose {__version__}\n"


def test_top_imports_no_more_than_it_draws_with() -> None:
    script = "import sys, sbxcompose.cli.top.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"wsproto", "webbrowser", "httpx", "pydantic", "yaml", "pygments", "markdown_it"} & set(loaded)


def test_the_keeper_stays_small() -> None:
    """Each of these would be there for as long as the host: enumerations, regular expressions, and what brings them."""
    script = "import sys, sbxcompose.host.keeper.main; print(*sys.modules)"
    command = [sys.executable, "-S", "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert "sbxcompose.host.keeper.life" in loaded
    heavy = {
        "array",
        "asyncio",
        "collections",
        "contextlib",
        "ctypes",
        "dataclasses",
        "enum",
        "functools",
        "json",
        "re",
    }
    assert (heavy | {"selectors", "signal", "socket", "subprocess", "typing"}) & set(loaded) == set()
    assert len(loaded) <= 95
