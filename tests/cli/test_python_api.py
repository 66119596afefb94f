"""The Python API on a real host, and every example in its documentation."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import sbxcompose
import sbxcompose.sync
from sbxcompose import errors
from tests.cli.api_project import with_project
from tests.support.command import Sbx
from tests.support.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
SPEC = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
PATIENCE = 180
"""Seconds for a script, which only one that hangs exceeds."""
pytestmark = pytest.mark.time_limit(200)
DOCUMENTED = (
    sbxcompose.load,
    sbxcompose.open_project,
    sbxcompose.OpenProject.events,
    sbxcompose.OpenProject.follow_stats,
    sbxcompose.OpenProject.logs,
    sbxcompose.OpenProject.port,
    sbxcompose.OpenProject.wait_for_exit,
    sbxcompose.sync.open_project,
)


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


EXAMPLES = {f"docs-{number}": block for number, block in enumerate(blocks(PAGE), 1)}
EXAMPLES |= {f"{item.__module__}-{item.__name__}": blocks(inspect.getdoc(item) or "")[0] for item in DOCUMENTED}


EACH_IN_A_FORK = """
import os, runpy, sys
import sbxcompose.sync
from sbxcompose import load, open_project
from sbxcompose.cli import warm_main

warm_main.preload()  # what each example would import anew
for folder, port in zip(sys.argv[1::2], sys.argv[2::2]):
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["WEB_PORT"] = port
        runpy.run_path("example.py", run_name="__main__")
        sys.exit()
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit(f"failed: {folder}")
"""
"""Runs examples one after the other, each in its folder and in a fork of a Python that has imported the API."""


@pytest.mark.parametrize("of", ["docs-", "sbxcompose."], ids=["page", "docstrings"])
def test_every_example_runs(sbx: Sbx, of: str) -> None:
    arguments = []
    for name, text in EXAMPLES.items():
        if name.startswith(of) and "def test_" not in text:
            folder = f"{sbx.project.name}-{name.replace('.', '-')}"
            sbx.write(SPEC, f"{folder}/sbxcompose.yaml")
            sbx.write(text, f"{folder}/example.py")
            arguments += [folder, str(free_port())]
    assert len(arguments) > 10
    done = run_python(sbx, "-c", EACH_IN_A_FORK, *arguments, env={})
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("name", [name for name, text in EXAMPLES.items() if "def test_" in text])
def test_every_example_of_a_test_runs(sbx: Sbx, name: str) -> None:
    sbx.write(SPEC)
    sbx.write(EXAMPLES[name], "test_example.py")
    plugins = ("-p", "no:cacheprovider", "-p", "sbxcompose.pytest_plugin")
    env = {"WEB_PORT": str(free_port()), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run_python(sbx, "-m", "pytest", "-q", *plugins, "test_example.py", env=env)
    assert (done.returncode, done.stderr) == (0, "")


def run_python(sbx: Sbx, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a Python in the project directory, to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=sbx.project,
        env={**sbx.env, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_project_comes_up_is_looked_at_and_goes_down(here: Sbx) -> None:
    here.write("""
        processes:
          web:
            command: "exec sleep 1000"
            health_check: {exec: ["true"], initial_delay: 0s, interval: 20ms, timeout: 1m}
          job: {command: "exit 0", restart: never, depends_on: [web]}
          other: {command: "exec sleep 1000", profiles: [more]}
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        assert [step.action for step in await project.plan()] == ["create", "start", "await", "start"]
        changes = await project.up(wait=True)
        assert (changes.started, changes.unchanged) == (("web", "job"), 0)
        assert not await project.plan()
        assert not await project.up(wait=True)
        web, job = await project.ps()
        assert (web.name, web.state, web.health, web.ready, web.run) == ("web", "healthy", "healthy", True, 1)
        assert web.running
        assert (job.state, job.exit_code, job.pid) == ("completed", 0, None)
        assert [process.name for process in await project.ps(all=True)] == ["web", "job", "other"]
        assert (await project.restart("web")).replaced == ("web",)
        assert (await project.ps("web"))[0].run == 2
        assert (await project.stop("web")).stopped == ("web",)
        assert (await project.start("web")).started == ("web",)
        await project.wait("web")

    with_project(main)
    assert "stopped" in here.run("ps").stdout


def test_an_orphan_is_stopped_by_its_name(here: Sbx) -> None:
    here.write("processes: {web: &it {command: exec sleep 1000}, old: *it, older: *it}\n")
    here.run("up", "-d")
    here.write("processes: {web: {command: exec sleep 1000}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        assert (await project.stop("old")).stopped == ("old",)
        assert (await project.down("older")).stopped == ("older",)
        assert [process.name for process in await project.ps()] == ["web"]
        with pytest.raises(sbxcompose.errors.UsageError, match="oldest"):
            await project.stop("oldest")

    with_project(main)


def test_the_command_line_sees_the_same(here: Sbx) -> None:
    here.write("processes: {web: {command: 'echo up; exec sleep 1000', ready_when: {log: up}, labels: {team: shop}}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up(wait=True)
        (shown,) = here.run("ps", "--json").json
        (status,) = await project.ps()
        assert shown["labels"] == status.labels == {"team": "shop"}
        assert (shown["name"], shown["status"], shown["pid"], shown["run"], shown["digest"]) == (
            (status.name, status.state, status.pid, status.run, status.digest)
        )
        assert here.run("up", "-d").stderr.startswith("nothing to do")

    with_project(main)


def test_what_fails_is_reported_with_its_last_lines(here: Sbx) -> None:
    here.write("processes: {web: {command: 'echo no database >&2; exit 3', restart: never}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        with pytest.raises(errors.ProcessFailed, match="web exited with code 3") as caught:
            await project.up(wait=True)
        (cause,) = caught.value.causes
        assert (cause.name, cause.lines) == ("web", ("no database",))

    with_project(main)


def test_what_is_late_is_reported_too(here: Sbx) -> None:
    here.write("processes: {web: {command: 'exec sleep 1000', ready_when: {log: never comes}}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        with pytest.raises(errors.DeadlinePassed, match=r"^timed out after 0\.2s: web ") as caught:
            await project.up(wait=True, timeout=0.2)
        assert [cause.name for cause in caught.value.causes] == ["web"]
        with pytest.raises(errors.DeadlinePassed):
            await project.wait(timeout=0)

    with_project(main)


def test_a_step_that_fails_without_waiting_is_an_error(here: Sbx) -> None:
    here.write("processes: {web: {command: [/nonesuch]}, two: {command: 'exec sleep 1000', depends_on: [web]}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        with pytest.raises(errors.SbxError, match="nonesuch"):
            await project.up()
        (web,) = await project.ps("web")
        assert web.state == "failed to start"
        assert "nonesuch" in (web.last_error or "")

    with_project(main)


def test_variables_reach_the_file_and_the_processes(here: Sbx) -> None:
    here.write("processes: {web: {command: 'echo $$OWN ${GIVEN}', restart: never}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up(wait=True)
        assert [line.text async for line in project.logs()] == ["mine yours"]

    with_project(main, env={"OWN": "mine", "GIVEN": "yours"})


def test_output_is_read_line_by_line_and_followed(here: Sbx) -> None:
    here.write("""
        processes:
          web:
            command: "echo one; echo $$TOKEN >&2; read line; echo got $$line; exec sleep 1000"
            stdin: pipe
            env: {TOKEN: hunter2hunter2}
            secrets: [TOKEN]
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        followed = project.logs("web", follow=True)
        first = {(await anext(followed)).text, (await anext(followed)).text}
        assert first == {"one", "***"}
        pid = (await project.ps("web"))[0].pid
        Path(f"/proc/{pid}/fd/0").write_bytes(b"it\n")
        assert (await anext(followed)).text == "got it"
        lines = [line async for line in project.logs("web")]
        assert sorted((line.stream, line.text, line.run) for line in lines) == [
            ("stderr", "***", 1),
            ("stdout", "got it", 1),
            ("stdout", "one", 1),
        ]
        assert [line.text async for line in project.logs("web", tail=1)] == ["got it"]
        assert [line.text async for line in project.logs("web", tail=1, since=0.0)] == ["got it"]
        with pytest.raises(errors.UnknownName):
            await anext(project.logs("weg"))
        with pytest.raises(errors.UsageError, match="`tail` and `run` cannot be used together"):
            await anext(project.logs("web", tail=1, run=1))

    with_project(main)


def test_commands_run_beside_a_process(here: Sbx) -> None:
    here.write("""
        processes:
          db: {command: "echo up; exec sleep 1000", ready_when: {log: up}}
          task: {command: "echo done by $$WHO", env: {WHO: me}, depends_on: [db], profiles: [manual]}
    """)

    async def main(project: sbxcompose.OpenProject) -> None:
        with pytest.raises(errors.UsageError, match="does not exist yet"):
            await project.exec("db", "true")
        assert (await project.run("task")).text == "done by me"
        assert (await project.ps("db"))[0].running
        assert (await project.run("task", ["printenv", "WHO"], env={"WHO": "you"})).check().text == "you"
        result = await project.exec("db", "cat; echo bad >&2; exit 4", stdin=b"\x00\xff")
        assert (result.stdout, result.stderr, result.exit_code) == (b"\x00\xff", b"bad\n", 4)
        assert (await project.exec("db", ["sh", "-c", "kill -9 $$"])).exit_code == 137
        with pytest.raises(errors.NotStarted) as caught:
            await project.exec("db", ["nonesuch"])
        assert caught.value.exit_code == 127
        with pytest.raises(errors.DeadlinePassed, match=r"`sleep 1000` timed out after 0\.1s and was killed"):
            await project.exec("db", ["sleep", "1000"], timeout=0.1)
        short = await project.exec("db", "seq 1000; echo bad >&2", max_output=4)
        assert (short.stdout, short.stderr) == (b"000\n"[-4:], b"bad\n")
        assert short.left_out == len("".join(f"{number}\n" for number in range(1, 1001))) - 4
        with pytest.raises(errors.UsageError, match="invalid value -1 for `max_output`"):
            await project.exec("db", "true", max_output=-1)

    with_project(main)


def test_a_command_that_is_late_is_reported_with_its_last_lines(here: Sbx) -> None:
    here.write("processes: {db: {command: exec sleep 1000, env: {TOKEN: hunter2hunter2}, secrets: [TOKEN]}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        await project.up()
        seconds = 0.5
        while True:  # until the output came in time
            with pytest.raises(errors.DeadlinePassed) as caught:
                await project.exec("db", "echo one $TOKEN; echo two >&2; exec sleep 1000", timeout=seconds)
            (cause,) = caught.value.causes
            if len(cause.lines) == 2:
                break
            seconds *= 2
        assert cause.lines == ("one ***", "two")
        assert caught.value.__notes__ == ["  | one ***\n  | two"]

    with_project(main)


def test_usage_and_events_are_typed_values(here: Sbx) -> None:
    here.write("processes: {web: {command: '(sleep 1000; :) & exec sleep 1000'}, db: {command: exec sleep 1000}}\n")

    async def main(project: sbxcompose.OpenProject) -> None:
        assert (await project.stats()).processes == ()
        with pytest.raises(errors.UsageError, match="nothing has been started yet"):
            await anext(project.follow_stats())
        begun = time.time()
        await project.up()
        found = await project.stats("web")
        assert [process.name for process in found.processes] == ["web"]
        assert found.processes[0].cpu_percent is not None
        assert found.sandboxes[0].processes >= found.processes[0].processes
        assert {process.name for process in (await anext(project.follow_stats())).processes} == {"web", "db"}
        with pytest.raises(errors.UnknownName):
            await project.stats("weg")
        followed = project.events("web", since=begun)
        seen = {(event.type, event.action, event.run) for event in [await anext(followed), await anext(followed)]}
        assert seen == {("decision", "start", None), ("process", "started", 1)}
        await project.restart("web")
        async for event in followed:
            assert event.name == "web"
            if (event.action, event.run) == ("started", 2):
                break
        recorded = [event async for event in project.events(since=begun, until=time.time())]
        assert [event.time for event in recorded] == sorted(event.time for event in recorded)
        assert {event.name for event in recorded} >= {"web", "db"}

    with_project(main)


def test_leaving_the_block_closes_streams_that_are_not_read_to_their_end(here: Sbx) -> None:
    here.write("processes: {web: {command: 'echo one; exec sleep 1000'}}\n")

    async def body() -> None:
        async with sbxcompose.open_project() as project:
            await project.up(wait=True)
            followed = project.logs(follow=True)
            await anext(followed)
        with pytest.raises(StopAsyncIteration):
            await anext(followed)
        await project.down()

    asyncio.run(body())


def test_the_synchronous_face_works_while_an_event_loop_runs(here: Sbx) -> None:
    here.write("processes: {web: {command: 'echo one; echo two; exec sleep 1000', ready_when: {log: two}}}\n")

    async def notebook() -> None:
        with sbxcompose.sync.open_project() as project:
            project.up(wait=True)
            for line in project.logs("web", follow=True):
                assert line.text == "one"
                break
            assert [line.text for line in project.logs("web")] == ["one", "two"]
            assert [process.state for process in project.ps()] == ["ready"]
            assert [process.name for process in project.stats().processes] == ["web"]
            assert next(iter(project.events(since=0.0))).type == "decision"
            with pytest.raises(errors.UnknownName):
                project.stop("weg")
            project.down()
        with pytest.raises(errors.UsageError, match="not open"):
            project.ps()

    asyncio.run(notebook())


def test_a_file_is_read_without_a_host(here: Sbx) -> None:
    here.write("""
        processes:
          web: {command: [serve], port: 8000, replicas: 2, depends_on: [db], env: {A: b}}
          db: {command: "postgres", description: the data}
          seed: {command: [seed], profiles: [manual]}
    """)
    found = sbxcompose.load(scale={"web": 3})
    assert [(process.name, process.active) for process in found.processes] == [
        ("web", True),
        ("db", True),
        ("seed", False),
    ]
    web = found.process("web")
    assert (web.command, web.port, web.replicas, web.depends_on, web.env) == (("serve",), 8000, 3, ("db",), {"A": "b"})
    assert sbxcompose.load(profiles=["manual"]).process("main/seed").active
    with pytest.raises(KeyError):
        found.process("nonesuch")
    with pytest.raises(errors.UsageError, match="`profiles` must be a list"):
        sbxcompose.load(profiles="manual")
    here.write("processes: {web: {comand: x}}")
    with pytest.raises(errors.InvalidSpec) as caught:
        sbxcompose.load()
    assert caught.value.mistakes[0].line == 1


def test_an_argument_that_makes_no_sense_is_answered_with_what_to_write(
    here: Sbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port: Any = {"PORT": 8000}
    with pytest.raises(errors.UsageError, match="the variable `PORT` must be a string, not 8000") as caught:
        sbxcompose.load(env=port)
    assert caught.value.hint == 'write `"8000"`'
    names: Any = ["web"]
    here.write("processes: {web: {command: sleep 1000}}")
    with sbxcompose.sync.open_project() as project, pytest.raises(errors.UsageError, match="not list") as caught:
        project.up(names)
    assert caught.value.hint == "pass each name as an argument of its own: `up(*names)`"
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(errors.UsageError, match="no longer exists"):
        sbxcompose.load()


INTERRUPTED = """
import os, signal, threading
from sbxcompose.sync import open_project

with open_project() as project:
    project.up()
    try:
        for line in project.logs("web", follow=True):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
    except KeyboardInterrupt:
        print("interrupted")
    project.down()
"""


def test_an_interrupt_ends_a_call_and_leaves_nothing_behind(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'echo one; exec sleep 1000'}}\n")
    command = [sys.executable, "-W", "error", "-c", INTERRUPTED]
    done = subprocess.run(
        command, cwd=sbx.project, env=sbx.env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
