"""`attach`: a running process's output from now on, and its input."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.cli.looking import Gate, alive, pids, refused
from tests.support.command import Sbx

CONSOLE = """\
import signal, sys
signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
for line in sys.stdin:
    print("said", line.strip(), flush=True)
    if line == "stop\\n":
        sys.exit(3)
"""


def console(sbx: Sbx) -> None:
    """Bring up a process that answers what it is told."""
    sbx.write(CONSOLE, "console.py")
    sbx.write(f"processes: {{console: {{command: [{sys.executable}, console.py], stdin: pipe, restart: never}}}}\n")
    sbx.run("up", "-d")


def test_what_we_type_is_answered_and_the_exit_code_passed_on(sbx: Sbx) -> None:
    console(sbx)
    running = sbx.start("attach", "console")
    running.press("one\n")
    running.wait_for("said one")
    running.press("stop\n")
    result = running.wait()
    assert (result.code, result.stdout) == (3, "said one\nsaid stop\n")


def test_the_end_of_our_input_is_not_the_end_of_the_process(sbx: Sbx) -> None:
    console(sbx)
    first = sbx.start("attach", "console")
    first.press("one\n")
    first.wait_for("said one")
    assert first.process.stdin is not None
    first.process.stdin.close()
    second = sbx.start("attach", "console")
    second.press("two\n")
    second.wait_for("said two")
    first.wait_for("said two")
    second.press("stop\n")
    assert [second.wait().code, first.wait().code] == [3, 3]


def test_the_first_ctrl_c_goes_to_the_process_and_the_second_detaches(sbx: Sbx) -> None:
    console(sbx)
    pid = pids(sbx)["console"]
    running = sbx.start("attach", "console", terminal=True)
    running.wait_for("attached to console; the first Ctrl-C is sent to it, a second one detaches")
    running.press("up\n")
    running.wait_for("said up")
    running.interrupt()
    running.wait_for("heard")
    running.interrupt()
    assert running.wait().code == 130
    assert "keeps running" in running.out.text
    assert alive(pid)


def test_without_the_proxy_ctrl_c_detaches_at_once(sbx: Sbx) -> None:
    console(sbx)
    running = sbx.start("attach", "--no-sig-proxy", "console", terminal=True)
    running.press("up\n")
    running.wait_for("said up")
    running.interrupt()
    assert running.wait().code == 130
    assert "heard" not in running.out.text
    assert alive(pids(sbx)["console"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ending_attach_does_not_end_the_process(sbx: Sbx, number: signal.Signals) -> None:
    console(sbx)
    running = sbx.start("attach", "console")
    running.press("up\n")
    running.wait_for("said up")
    running.signal(number)
    assert running.wait().code == 130
    assert "heard" not in running.out.text
    assert alive(pids(sbx)["console"])


def test_output_alone(sbx: Sbx) -> None:
    console(sbx)
    quiet = sbx.start("attach", "--no-stdin", "console")
    quiet.press("stop\n")
    driver = sbx.start("attach", "console")
    count = 0
    while "said on" not in quiet.out.text:  # it says nothing when it is there
        count += 1
        driver.press("on\n")
        driver.wait_for("said on", count=count)
    driver.press("stop\n")
    assert quiet.wait().code == 3


def test_a_process_that_reads_nothing(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'read _ <gate; echo go on; kill -9 $$$$', restart: never}}\n")
    gate = Gate(sbx)
    sbx.run("up", "-d")
    running = sbx.start("attach", "web")
    running.wait_for("`stdin: pipe` in the file opens it")
    gate.open()
    result = running.wait()
    assert (result.code, result.stdout) == (128 + signal.SIGKILL, "go on\n")


def test_a_process_that_is_not_running_is_reported(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'true', restart: never}}\n")
    assert "`sbxcompose up`" in refused(sbx, "attach", "web")
    sbx.run("up", "-d")
    sbx.run("wait", "web", code=None)
    assert "`sbxcompose start web`" in refused(sbx, "attach", "web")
    assert "no process named" in refused(sbx, "attach", "nope")


def test_secrets_are_masked_and_what_may_begin_one_waits_for_the_rest(sbx: Sbx) -> None:
    console(sbx)
    sbx.write("TOKEN=hunter2-in-full\n", ".env")
    sbx.write(
        f"processes: {{console: {{command: [{sys.executable}, console.py], stdin: pipe, restart: never, "
        'secrets: [TOKEN], env: {TOKEN: "${TOKEN}"}}}\n'
    )
    sbx.run("up", "-d")
    sbx.write("TOKEN=other\n", ".env")
    running = sbx.start("attach", "console")
    running.press("hunter2-in-full!\nhunter\nstop\n")
    result = running.wait()
    assert (result.code, result.stdout) == (3, "said ***!\nsaid hunter\nsaid stop\n")
