"""What a process finds when the keeper has started it, and why one could not be started."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from sbxcompose.host.keeper.client import Spawn, Spawned, SpawnFailed
from sbxcompose.host.keeper.execution import ExecContext
from tests.live.keeper.rig import ENV, Output, rig

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")


def test_output_comes_through_the_pipes_and_the_exit_after_it() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", "echo out; echo err >&2; exit 3")
            assert await out.text() == "out\n"
            assert await Output(spawned.stderr).text() == "err\n"
            exited = await own.exit_of("a")
            assert (exited.unit, exited.pid, exited.left_behind) == ("a", spawned.pid, [])
            assert exited.status is not None
            assert os.waitstatus_to_exitcode(exited.status) == 3
            assert exited.at >= spawned.at

    asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_death_by_signal_is_reported_as_such(number: signal.Signals) -> None:
    async def run() -> None:
        async with rig() as own:
            await own.spawn("a", "sleep", "900")
            assert await own.client.kill("a", number)
            status = (await own.exit_of("a")).status
            assert status is not None
            assert os.WTERMSIG(status) == number

    asyncio.run(run())


def test_a_process_finds_a_clean_world() -> None:
    """Own session, three descriptors, no signal ignored or blocked, its environment and the marker, its
    umask."""
    script = (
        "import os, resource; s = open('/proc/self/status').read();"
        "print(os.getsid(0) == os.getpid() == os.getpgid(0), sorted(os.listdir('/proc/self/fd'))[:4],"
        "os.getcwd(),"
        "[l.split()[1] for l in s.splitlines() if l.startswith(('SigBlk', 'Umask'))],"
        "resource.getrlimit(resource.RLIMIT_NOFILE)[0], sorted(os.environ), os.environ['SBXCOMPOSE_UNIT'])"
    )
    ignored = "grep SigIgn /proc/self/status"

    async def run() -> None:
        async with rig() as own:
            python = (sys.executable, "-I", "-S", "-c", script)
            _, out = await own.spawn("p#1", *python, env={"A": "ü"}, cwd="/usr", umask=0o027)
            files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            names = ["A", "SBXCOMPOSE_UNIT"]
            # the fourth descriptor is that of the listing itself
            expected = (
                f"True ['0', '1', '2', '3'] /usr ['0027', '0000000000000000'] {files} {names} {own.mark_of('p#1')}\n"
            )
            assert (await out.text()).replace("'LC_CTYPE', ", "") == expected
            _, out = await own.shell("i", ignored)
            word, mask = (await out.text()).split()
            # 32 and 33 belong to the C library: whoever ignores them cannot be undone by a program.
            assert (word, int(mask, 16) & ~0x1_8000_0000) == ("SigIgn:", 0)

    asyncio.run(run())


def test_input_is_a_pipe_when_asked_for_and_ends_when_closed() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.spawn("a", "cat", stdin="pipe")
            assert spawned.stdin is not None
            os.write(spawned.stdin, b"one\n")
            assert await out.line() == "one"
            os.close(spawned.stdin)
            await own.client.close_stdin("a")
            assert (await own.exit_of("a")).status == 0

    asyncio.run(run())


def test_streams_that_are_not_asked_for_lead_nowhere() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, _ = await own.shell(
                "a", "cat; echo lost; out=$(readlink /proc/$$/fd/1); echo $out >&2", stdout="null"
            )
            assert (spawned.stdin, spawned.stdout) == (None, None)
            assert await Output(spawned.stderr).text() == "/dev/null\n"

    asyncio.run(run())


def test_a_terminal_is_controlling_has_its_size_and_hangs_up() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", "stty size; tty; echo x >/dev/tty; exec cat", pty=(24, 81))
            assert (spawned.stdin, spawned.stderr) == (None, None)
            assert spawned.stdout is not None
            assert await out.line() == "24 81\r"
            assert (await out.line(1)).startswith("/dev/pts/")
            assert await out.line(2) == "x\r"
            os.write(spawned.stdout, b"y\n")
            assert [await out.line(3), await out.line(4)] == ["y\r", "y\r"]  # the terminal's echo, and cat's
            os.write(spawned.stdout, b"\x03")  # the terminal turns it into SIGINT for the foreground
            status = (await own.exit_of("a")).status
            assert status is not None
            assert os.WTERMSIG(status) == signal.SIGINT

    asyncio.run(run())


def test_a_terminal_can_be_resized_by_its_master() -> None:
    async def run() -> None:
        async with rig() as own:
            script = "trap 'stty size; exit' WINCH; echo up; while :; do read line; done"
            spawned, out = await own.shell("a", script, pty=(24, 80))
            assert spawned.stdout is not None
            assert await out.line() == "up\r"
            size = b"".join(number.to_bytes(2, sys.byteorder) for number in (30, 100, 0, 0))
            ioctl(spawned.stdout, termios.TIOCSWINSZ, size)
            os.write(spawned.stdout, b"\n")
            assert "30 100" in await out.text()

    asyncio.run(run())


@needs_root
def test_a_process_becomes_the_user_and_may_reopen_its_streams() -> None:
    async def run() -> None:
        async with rig() as own:
            script = "id -u; id -g; id -G; echo again >/dev/stdout"
            _, out = await own.shell("a", script, uid=65534, gid=65533, groups=[65533, 100])
            assert await out.text() == "65534\n65533\n65533 100\nagain\n"
            _, out = await own.shell("b", "id -G", uid=65534, gid=65533)
            assert await out.text() == "65533\n"
            _, out = await own.shell("c", "id -u; echo x >/dev/tty", uid=65534, gid=65533, pty=(2, 80))
            assert await out.text() == "65534\r\nx\r\n"
            with pytest.raises(SpawnFailed, match="cannot become user 5: its group is not known"):
                await own.spawn("d", "id", uid=5)

    asyncio.run(run())


def test_each_reason_for_not_starting_is_distinguished(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    (tmp_path / "lost").write_text("#!/no/such/interpreter -x\n")
    (tmp_path / "dos").write_bytes(b"#!/bin/sh\r\necho\r\n")
    (tmp_path / "text").write_text("hello\n")
    for name in ("lost", "dos", "text"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "sub").mkdir()
    # PATH is the child's, not ours; what it names relative is relative to the child's directory
    cases: list[tuple[list[str], str, str, int]] = [
        (["nope"], str(tmp_path), "command not found: nope", errno.ENOENT),
        (["sh"], "/nowhere", "command not found: sh", errno.ENOENT),
        (["./nope"], "", "no such file: ./nope", errno.ENOENT),
        (["plain"], str(tmp_path), f"permission denied: {tmp_path}/plain (not executable)", errno.EACCES),
        (["./plain"], "", "permission denied: ./plain (not executable)", errno.EACCES),
        (["./sub"], "", "permission denied: ./sub (a directory)", errno.EACCES),
        (
            ["./lost"],
            "",
            "no such interpreter: /no/such/interpreter (in the #! line of ./lost)",
            errno.ENOENT,
        ),
        (["./dos"], "", "no such interpreter: '/bin/sh\\r' (in the #! line of ./dos)", errno.ENOENT),
        (["./text"], "", "exec format error: ./text (neither a program", errno.ENOEXEC),
        (["/bin/sh/x"], "", "no such file: /bin/sh/x", errno.ENOTDIR),
        ([""], "", "the command is empty", errno.EINVAL),
        (["echo", "a\0b"], "/bin", "an argument of 'echo' has a NUL character in it", errno.EINVAL),
        (["echo", "\ud800"], "/bin", "cannot start 'echo'", errno.EINVAL),
        (["echo", "x" * 200_000], "/bin:/usr/bin", "argument list too long: echo (200", errno.E2BIG),
    ]

    async def run() -> None:
        async with rig() as own:
            spawns = [
                Spawn(f"u{number}", argv, {"PATH": path}, ExecContext(str(tmp_path)))
                for number, (argv, path, _, _) in enumerate(cases)
            ]
            results = await own.client.spawn_many(spawns)
            for (_, _, message, number), result in zip(cases, results, strict=True):
                assert isinstance(result, SpawnFailed)
                assert result.message.startswith(message)
                assert result.errno == number
            assert await own.client.adopt() == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "cwd, message, number",
    [
        ("/no/such/place", "no such directory: /no/such/place", errno.ENOENT),
        ("/etc/passwd", "not a directory: /etc/passwd", errno.ENOTDIR),
        ("/a\0b", "the working directory '/a\\x00b' has a NUL", errno.EINVAL),
    ],
)
def test_a_bad_working_directory_is_named(cwd: str, message: str, number: int) -> None:
    async def run() -> None:
        async with rig() as own:
            with pytest.raises(SpawnFailed) as caught:
                await own.spawn("a", "true", cwd=cwd)
            assert caught.value.message.startswith(message)
            assert caught.value.errno == number

    asyncio.run(run())


def test_a_name_in_use_is_refused_until_it_is_released() -> None:
    async def run() -> None:
        async with rig() as own:
            await own.spawn("a", "true")
            await own.exit_of("a")
            with pytest.raises(SpawnFailed, match="unit a exists"):
                await own.spawn("a", "true")
            await own.client.release("a")
            own.exits.clear()
            await own.spawn("a", "true")

    asyncio.run(run())


def test_two_hundred_are_started_with_one_request_and_all_are_reported() -> None:
    async def run() -> None:
        async with rig() as own:
            told: list[int] = []
            spawns = [Spawn(f"u{number}", ["echo", str(number)], ENV) for number in range(200)]
            spawns[7] = Spawn("u7", ["nope"], {**ENV, "ONLY": "here"})
            results = await own.client.spawn_many(spawns, lambda index, _: told.append(index))
            assert told == list(range(200))
            assert isinstance(results[7], SpawnFailed)
            for number in (0, 6, 8, 199):
                spawned = results[number]
                assert isinstance(spawned, Spawned)
                assert await Output(spawned.stdout).text() == f"{number}\n"
            for number in {*range(200)} - {7}:
                assert (await own.exit_of(f"u{number}")).status == 0

    asyncio.run(run())
