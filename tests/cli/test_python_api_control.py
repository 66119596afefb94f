"""The Python API's methods that act on what runs: signals, suspension, replicas, exits, files, ports."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import sbxcompose
import sbxcompose.sync
from sbxcompose import errors
from tests.cli.api_project import with_project
from tests.cli.looking import FOREVER, Gate
from tests.support.command import Sbx

pytestmark = pytest.mark.time_limit(200)
IDLE = f"processes: {{web: {{command: {FOREVER}}}}}\n"
NOT_STARTED: dict[str, Any] = {
    "wait_for_exit": lambda project: project.wait_for_exit("web"),
    "kill": lambda project: project.kill("web"),
    "pause": lambda project: project.pause("main"),
    "unpause": lambda project: project.unpause("main"),
    "cp": lambda project: project.cp("web:a", "b"),
    "port": lambda project: project.port("web", 80).__aenter__(),
    "exec": lambda project: project.exec("web", "true"),
}
UNKNOWN: dict[str, Any] = {
    "wait_for_exit": lambda project: project.wait_for_exit("weg"),
    "kill": lambda project: project.kill("weg"),
    "pause": lambda project: project.pause("weg"),
    "unpause": lambda project: project.unpause("weg"),
    "cp": lambda project: project.cp("weg:a", "b"),
    "scale": lambda project: project.scale({"weg": 2}),
    "exec": lambda project: project.exec("weg", "true"),
    "why": lambda project: project.why("weg"),
}


def test_before_anything_was_started_each_says_so_and_what_to_do(here: Sbx) -> None:
    here.write(IDLE)

    async def main(project: sbxcompose.OpenProject) -> None:
        for name, call in NOT_STARTED.items():
            with pytest.raises(errors.UsageError, match=r"not exist yet|nothing has been started|is running") as caught:
                await call(project)
            assert caught.value.__notes__ == [f"hint: {caught.value.hint}"], name
        assert (await project.kill(), await project.pause(), await project.unpause()) == ((), (), ())

    with_project(main)


def test_an_unknown_name_is_answered_with_those_there_are(here: Sbx) -> None:
    here.write(IDLE)

    async def main(project: sbxcompose.OpenProject) -> None:
        for name, call in UNKNOWN.items():
            with pytest.raises(
                errors.UnknownName, match=r"no (process|sandbox|sandbox or process) named `weg`"
            ) as caught:
                await call(project)
            assert caught.value.__notes__ == [f"hint: {caught.value.hint}"], name
            assert re.search("`(web|main)`", caught.value.hint or ""), name
        with pytest.raises(errors.UnknownName) as caught:
            project.port("weg")
        assert caught.value.name == "weg"

    with_project(main)


def test_a_host_that_cannot_be_started_is_an_error_with_its_remedy(
    here: Sbx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here.write(IDLE)
    (tmp_path / "file").touch()
    for name in ("SBXCOMPOSE_STATE_DIR", "SBXCOMPOSE_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "file"))

    async def main() -> None:
        async with sbxcompose.open_project() as project:
            for name, call in NOT_STARTED.items():
                with pytest.raises(errors.SbxError, match=str(tmp_path)) as caught:
                    await call(project)
                assert caught.value.exit_code in (2, 3), name
            with pytest.raises(errors.SbxError):
                await project.scale({"web": 2})

    asyncio.run(main())


def test_a_signal_reaches_what_runs(here: Sbx) -> None:
    here.write("""
        processes:
          web: {command: "trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.01; done", ready_when: {log: ready}}
          job: {command: "true", restart: never}
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up(wait=True)
        assert await project.kill(signal="HUP") == ("web",)
        async for line in project.logs("web", follow=True):
            if line.text == "got HUP":
                break
        with pytest.raises(errors.UsageError, match="none of these processes is running"):
            await project.kill("job")
        with pytest.raises(errors.UsageError, match="invalid signal `TREM`") as caught:
            await project.kill(signal="TREM")
        assert caught.value.hint == "did you mean `TERM`?"

    with_project(main)


def test_a_sandbox_is_suspended_and_resumed(here: Sbx) -> None:
    here.write(f"""
        sandboxes:
          one: {{processes: {{web: {{command: {FOREVER}}}}}}}
          two: {{processes: {{db: {{command: {FOREVER}}}}}}}
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up(wait=True)
        assert await project.pause("one") == ("one",)
        assert await project.pause() == ("two",)
        assert [process.state for process in await project.ps()] == ["suspended", "suspended"]
        for call in (project.kill("web"), project.exec("web", "true"), project.wait_for_exit("web")):
            with pytest.raises(errors.UsageError, match="sandbox one is suspended"):
                await call
        assert await project.unpause("o*") == ("one",)
        assert await project.unpause() == ("two",)
        assert [process.state for process in await project.ps()] == ["running", "running"]
        assert await project.unpause() == ()

    with_project(main)


def test_replicas_are_added_and_stay_for_later_calls(here: Sbx) -> None:
    here.write(f"processes: {{web: {{command: {FOREVER}}}, db: {{command: {FOREVER}}}}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        assert (await project.scale({"web": 2}, wait=True)).started == ("web.1", "web.2")
        await project.wait("web.2")
        assert (await project.exec("web.2", "echo two")).text == "two"
        assert project.definition.process("web").replicas == 2
        assert (await project.up()).started == ("db",)
        changes = await project.scale({"w*": 1, "db": 0})
        assert sorted(changes.stopped) == ["db", "web.2"]
        assert not await project.up()
        numbers: Any = {"web": "3"}
        for wrong in (numbers, {"web": -1}, {"web.1": 2}):
            with pytest.raises(errors.UsageError):
                await project.scale(wrong)
        with pytest.raises(errors.UsageError, match="`timeout` needs `wait=True`"):
            await project.scale({"web": 3}, timeout=60)
        assert project.definition.process("web").replicas == 1, "what failed has no effect"

    with_project(main)


def test_exits_are_waited_for_and_told(here: Sbx) -> None:
    gate = Gate(here)
    here.write(f"""
        processes:
          seven: {{command: "read _ < gate; exit 7", restart: never}}
          killed: {{command: "kill -9 $$$$", restart: never}}
          fine: {{command: "exit 3", restart: never, success_exit_codes: [3]}}
          later: {{command: {FOREVER}, autostart: false}}
          broken: {{command: [/nonesuch], autostart: false}}
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        with pytest.raises(errors.DeadlinePassed, match=r"^timed out after 0.1s: seven is still running") as caught:
            await project.wait_for_exit("seven", "fine", timeout=0.1)
        assert [cause.name for cause in caught.value.causes] == ["seven"]
        waiting = asyncio.ensure_future(project.wait_for_exit())
        await asyncio.to_thread(gate.open)
        ends = {end.name: end for end in await waiting}
        assert {name: (end.exit_code, end.success, end.run) for name, end in ends.items()} == {
            "seven": (7, False, 1),
            "killed": (137, False, 1),
            "fine": (3, True, 1),
        }
        assert str(ends["seven"]) == "seven exited with code 7"
        assert str(ends["killed"]) == "killed was killed by SIGKILL"
        assert abs((ends["seven"].exited_at or 0) - time.time()) < 1000
        assert ends["fine"].check() is ends["fine"]
        with pytest.raises(errors.ProcessFailed, match="seven exited with code 7"):
            ends["seven"].check()
        with pytest.raises(errors.UsageError, match="later has not been started") as usage:
            await project.wait_for_exit("fine", "later")
        assert usage.value.hint == "`sbxcompose start later` starts it"
        with pytest.raises(errors.SbxError):
            await project.start("broken")
        with pytest.raises(errors.ProcessFailed, match=r"broken failed to start: .*nonesuch"):
            await project.wait_for_exit("broken")

    with_project(main)


def test_files_are_copied_both_ways(here: Sbx, tmp_path: Path) -> None:
    here.write(f"processes: {{web: {{command: {FOREVER}, workdir: sub}}}}\n")
    (here.project / "sub").mkdir()
    out = tmp_path / "out"

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        copied = await project.cp("sbxcompose.yaml", "web:copy")
        assert (copied.files, copied.size) == (1, (here.project / "sbxcompose.yaml").stat().st_size)
        assert (here.project / "sub" / "copy").exists()
        out.mkdir()
        assert (await project.cp("main:sub", out)).files == 1
        assert (out / "sub" / "copy").exists()
        with pytest.raises(errors.SbxError, match=r"web:nix: no such file or folder in the sandbox"):
            await project.cp("web:nix", out)
        with pytest.raises(errors.SbxError, match="no such file or directory"):
            await project.cp("nix", "web:")
        with pytest.raises(errors.UsageError, match="neither of `a` and `b` is in a sandbox"):
            await project.cp("a", "b")

    with_project(main)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        return connection.recv(100)


def is_closed(port: int) -> bool:
    """Whether nothing listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_port_leads_into_the_sandbox_while_the_block_lasts(here: Sbx) -> None:
    here.write(IDLE)
    server = socket.create_server(("127.0.0.1", 0))
    target = server.getsockname()[1]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        async with await asyncio.start_server(serve, sock=server):
            async with project.port("web", target) as forwarded:
                assert (forwarded.sandbox, forwarded.target_port, forwarded.address) == ("main", target, "127.0.0.1")
                assert forwarded.port != target, "it is in use on this machine"
                assert await asyncio.to_thread(ask, forwarded.port) == b"hello"
                with pytest.raises(errors.UsageError, match=f"port {forwarded.port} is in use"):
                    await project.port("web", target, listen=forwarded.port).__aenter__()
            assert is_closed(forwarded.port)
            async with project.port("main", target, listen="127.0.0.1:0") as other:
                await project.close()
            assert is_closed(other.port)
        with pytest.raises(errors.UsageError, match="the file names no port of web"):
            project.port("web")
        with pytest.raises(errors.UsageError, match="invalid port 0; expected 1 to 65535"):
            project.port("web", 0)
        with pytest.raises(errors.UsageError, match="invalid port 65536 for `listen`"):
            project.port("web", 80, listen=65536)

    with_project(main)


def test_all_of_them_without_async(here: Sbx, tmp_path: Path) -> None:
    here.write("processes: {web: {command: 'exec sleep 1000'}, job: {command: exit 4, restart: never}}\n")
    with sbxcompose.sync.open_project() as project, socket.create_server(("127.0.0.1", 0)) as server:
        project.up()
        assert [end.exit_code for end in project.wait_for_exit("job")] == [4]
        assert project.scale({"web": 2}).started == ("web.2",)
        assert project.kill("web.2", signal="CONT") == ("web.2",)
        assert project.cp("web:sbxcompose.yaml", tmp_path / "copy").files == 1
        with project.port("web", server.getsockname()[1]) as forwarded, socket.socket() as client:
            client.connect((forwarded.address, forwarded.port))
            with server.accept()[0] as accepted:
                accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"
        assert project.pause() == project.unpause() == ("main",)
        left = project.port("web", 80, listen=0)
        forwarded = left.__enter__()
        project.down(grace=1)
    left.__exit__(None, None, None)
    assert is_closed(forwarded.port)


def test_leaving_the_block_ends_the_calls_of_other_threads(here: Sbx) -> None:
    os.mkfifo(here.project / "begun")
    here.write("processes: {web: {command: 'echo one; exec sleep 1000'}}\n")
    followed = Event()

    def follow(project: sbxcompose.sync.SyncProject) -> list[str]:
        lines = []
        for line in project.logs("web", follow=True):
            lines.append(line.text)
            followed.set()
        return lines

    with ThreadPoolExecutor() as pool:
        with sbxcompose.sync.open_project() as project:
            project.up()
            lines = pool.submit(follow, project)
            command = pool.submit(project.exec, "web", "echo > begun; exec sleep 1000")
            assert followed.wait(150)
            (here.project / "begun").read_text()
        assert lines.result(150) == ["one"]
        with pytest.raises(errors.UsageError, match="the project was closed during the call"):
            command.result(150)
    with sbxcompose.sync.open_project() as project:
        with ThreadPoolExecutor() as pool:
            assert [done.text for done in pool.map(lambda n: project.exec("web", f"echo {n}"), range(4))] == list(
                "0123"
            )
        project.down(grace=1)
