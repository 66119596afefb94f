"""What a process is given besides its program: from the request to the kernel by the names of its fields."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.api.models import StartRequest
from sbxcompose.host.keeper.client import Spawn
from sbxcompose.host.keeper.execution import BaseEnvironment, ExecContext, Program
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.supervise.spawn_request import Workdir, describe
from tests.support.cases import each_case
from tests.support.counting import lines


class RequestWithMask(StartRequest, frozen=True, kw_only=True):
    """A start request with a field more, of a name that `ExecContext` has."""

    umask: int = 0o077


def test_a_field_of_the_same_name_reaches_the_keeper_by_itself(tmp_path: Path) -> None:
    workdir = Workdir(str(tmp_path), private=False)
    assert describe(StartRequest(command="x"), workdir).context.umask == 0o022
    written = describe(RequestWithMask(command="x"), workdir).write({})
    assert (written["umask"], written["cwd"]) == (0o077, f"{tmp_path}/")
    assert ExecContext.read(written).umask == 0o077


def test_a_request_of_a_server_that_does_not_know_a_field_leaves_it_as_usual() -> None:
    context = ExecContext("/", 1, 2, [3], 0o007, ["/group"])
    written = Spawn("u", ["x"], {}, context).write({})
    assert ExecContext.read(written).write() == context.write()
    del written["cgroups"]
    assert ExecContext.read(written).cgroups == ()


def test_a_program_is_what_its_own_path_finds() -> None:
    program = Program(["x", "\udcff"], {"PATH": "/a::/b", "A": "ü"})
    assert program.paths == [b"/a/x", b"./x", b"/b/x"]
    assert program.argv == [b"x", b"\xff"]
    assert program.environment[b"A"] == "ü".encode()


def test_what_a_program_has_of_its_own_hides_what_all_of_a_request_have() -> None:
    base = BaseEnvironment({"PATH": "/a", "A": "1", "B": "2"})
    first, second = Program(["x"], {"A": "3"}, base), Program(["x"], {"PATH": "/b"}, base)
    assert first.environment == {b"PATH": b"/a", b"A": b"3", b"B": b"2"}
    assert (first.paths, second.paths) == ([b"/a/x"], [b"/b/x"])
    assert second.environment == {b"PATH": b"/b", b"A": b"1", b"B": b"2"}


@each_case("values", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0"}])
def test_a_variable_that_all_of_a_request_have_is_refused_each_time(values: dict[str, str]) -> None:
    base = BaseEnvironment(values)
    for _ in range(2):
        with pytest.raises(CannotSpawn, match="has a bad name or value"):
            base.check()


def test_what_all_of_a_request_have_is_made_ready_once() -> None:
    base = BaseEnvironment({f"NAME{number}": "value" for number in range(100)})
    first = lines(lambda: Program(["x"], {"A": "1"}, base))
    assert lines(lambda: Program(["x"], {"A": "1"}, base)) < first / 5
