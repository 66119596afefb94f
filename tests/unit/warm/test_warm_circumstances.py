"""Whether a command goes to the fork server: a comparison of what both have inherited."""

from __future__ import annotations

import pytest

from sbxcompose.warm import circumstances, place
from tests.support.cases import each_case

STATUS = """\
Name:\tsbxcompose
Umask:\t0022
TracerPid:\t0
Uid:\t1000\t1000\t1000\t1000
SigBlk:\t0000000000000000
SigIgn:\t0000000001001000
"""
SERVER = {
    "interpreter": "3.11",
    "package": "/usr/lib/sbxcompose 1.0",
    "variables": "LANG=C",
    "status": "Uid: 1000",
    "scheduling": "0 0 0",
    "root": "1 2",
    "namespaces": "net:[1]",
    "limits": "Max open files 1024",
    "cgroup": "0::/user.slice",
    "oom_score_adj": "0",
}
SCRIPT = ["python", "/usr/bin/sbxcompose", "ps"]


def test_the_same_circumstances_differ_in_nothing() -> None:
    assert circumstances.difference(SERVER, dict(SERVER)) is None


@each_case("name", sorted(SERVER))
def test_each_circumstance_counts(name: str) -> None:
    assert circumstances.difference(SERVER, {**SERVER, name: "another"}) == name
    assert place.socket_path("/run", SERVER) != place.socket_path("/run", {**SERVER, name: "another"})


@each_case("name", sorted(SERVER))
def test_a_circumstance_that_one_side_does_not_know_counts(name: str) -> None:
    less = {key: value for key, value in SERVER.items() if key != name}
    assert circumstances.difference(SERVER, less) == name
    assert circumstances.difference(less, SERVER) == name


def test_variables_that_an_interpreter_reads_when_it_starts_count() -> None:
    found = circumstances.variables(
        {"LANG": "C", "LC_ALL": "C", "PYTHONPATH": "/x", "LD_PRELOAD": "y", "HOME": "/root"}
    )
    assert found == "LANG=C\nLC_ALL=C\nLD_PRELOAD=y\nPYTHONPATH=/x"


def test_variables_that_a_command_reads_itself_do_not_count() -> None:
    assert circumstances.variables({"HOME": "/root", "TZ": "UTC", "SBXCOMPOSE_FILE": "x", "PATH": "/bin"}) == ""


def unsuitable(
    *arguments: str, interpreter: list[str] | None = None, status: str = STATUS, terminal: bool = False
) -> str | None:
    parsed = circumstances.parse_status(status)
    return circumstances.unsuitable(arguments, interpreter or SCRIPT, parsed, terminal_input=terminal)


def test_an_ordinary_command_may_go_to_the_server() -> None:
    assert unsuitable("ps", "--json") is None
    assert unsuitable("exec", "-i", "web", "cat") is None


@each_case(
    "arguments", [["host", "status"], ["-p", "x", "host", "serve"], ["doctor"], ["version"], ["top"], ["up", "--ui"]]
)
def test_some_commands_stay_cold(arguments: list[str]) -> None:
    assert unsuitable(*arguments) is not None


def test_a_file_read_from_a_terminal_stays_cold_and_one_from_a_pipe_does_not() -> None:
    assert unsuitable("-f", "-", "up", terminal=True) is not None
    assert unsuitable("-f", "-", "up") is None


@pytest.mark.parametrize("interpreter", [["python"], ["python", "-X", "dev", "/usr/bin/sbxcompose"], ["python", "-m"]])
def test_an_interpreter_with_options_stays_cold(interpreter: list[str]) -> None:
    assert unsuitable("ps", interpreter=interpreter) is not None


def test_a_traced_command_stays_cold() -> None:
    assert unsuitable("ps", status=STATUS.replace("TracerPid:\t0", "TracerPid:\t17")) is not None


def test_blocked_signals_stay_cold() -> None:
    assert unsuitable("ps", status=STATUS.replace("SigBlk:\t0000000000000000", "SigBlk:\t0000000000000002")) is not None


@each_case("value", ["no", "NO", "off", "0", "false"])
def test_the_variable_switches_it_off(value: str) -> None:
    assert place.is_off({place.VARIABLE: value})


def test_sockets_are_in_the_runtime_directory() -> None:
    assert not place.is_off({})
    assert place.directory({"SBXCOMPOSE_RUNTIME_DIR": "/r"}) == "/r/warm"
    assert place.directory({"XDG_RUNTIME_DIR": "/run/user/1"}) == "/run/user/1/sbxcompose/warm"


def test_a_named_directory_is_used_and_nothing_is_started_in_it() -> None:
    assert place.directory({place.VARIABLE: "/somewhere", "SBXCOMPOSE_RUNTIME_DIR": "/r"}) == "/somewhere"
    assert not place.may_start({place.VARIABLE: "/somewhere"})
    assert place.may_start({})
