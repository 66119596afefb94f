"""What a process is given besides its program: from the request to the kernel by the names of its fields."""

from __future__ import annotations

from pathlib import Path

from sbxcompose.api.models import StartRequest
from sbxcompose.host.keeper.client import Spawn
from sbxcompose.host.keeper.execution import ExecContext, Program
from sbxcompose.host.supervise.spawn_request import Workdir, describe


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
