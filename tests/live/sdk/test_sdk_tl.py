"""The vendor's command line against the host: every command of `tl sbx` that has to do with sandboxes (contract, 8)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.sdk.clients import Host, Tl
from tests.support.ports import free_port

ID = re.compile(r"^[a-z0-9]{21}$")


@pytest.fixture
def made(tl: Tl, vendor_host: Host) -> Iterator[list[str]]:
    """A list for the ids or names that a test makes; they are terminated after it."""
    names: list[str] = []
    yield names
    for name in names:
        vendor_host.delete(name)


def table(text: str) -> list[list[str]]:
    """A tab-separated table's lines."""
    return [line.split("\t") for line in text.splitlines() if "\t" in line]


# -- sandboxes -----------------------------------------------------------------------------------------------------


def test_create_list_describe_name_and_terminate(tl: Tl, made: list[str], box: str) -> None:
    number = tl("create", f"{box}-tl", "-c", "2", "-m", "2048", "-x", "8080").stdout.strip()
    made.append(number)
    assert ID.match(number)
    rows = {row[0]: row for row in table(tl("ls").stdout)}
    assert rows["ID"] == ["ID", "Name", "Status", "Image", "CPUs", "Memory", "Disk", "Created At"]
    assert rows[number][1:3] == [f"{box}-tl", "running"]
    assert rows[number][4:6] == ["2", "2048 MB"]
    assert number in tl("ls", "-q").stdout.split()
    assert number in tl("ls", "-r").stdout
    assert number not in tl("ls", "-s", "-q").stdout.split()
    described = tl("describe", f"{box}-tl").stdout
    assert re.search(rf"^ID: +{number}$", described, re.MULTILINE)
    assert re.search(r"^Ports: +8080$", described, re.MULTILINE)
    assert tl("name", number, f"{box}-other").stdout.strip() == f"{box}-other"
    assert tl("terminate", number).stdout.strip() == number
    assert number not in tl("ls", "-q").stdout.split()
    assert number in tl("ls", "-a", "-q").stdout.split()
    assert number in tl("ls", "-t").stdout
    assert tl("terminate", number).stdout.strip() == number


def test_suspend_and_resume(tl: Tl, box: str, vendor_host: Host) -> None:
    number = vendor_host.id_of(box)
    assert tl("suspend", box).stdout.strip() in (box, number)
    assert number in tl("ls", "-s", "-q").stdout.split()
    assert tl("resume", box).stdout.strip() in (box, number)
    assert number in tl("ls", "-r", "-q").stdout.split()


def test_run_makes_a_sandbox_and_takes_it_away(tl: Tl, vendor_host: Host) -> None:
    before = tl("ls", "-q").stdout
    done = tl("run", "--", "sh", "-c", "echo out; echo err >&2; exit 4", code=4)
    assert done.stdout == "out\n"
    assert "err\n" in done.stderr
    assert tl("ls", "-q").stdout == before


# -- commands ------------------------------------------------------------------------------------------------------


def test_exec_passes_streams_and_exit_code_on(tl: Tl, box: str) -> None:
    done = tl("exec", box, "sh", "-c", "echo out; echo err >&2; exit 3", code=3)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_exec_by_id_and_by_name_with_environment_and_directory(tl: Tl, box: str, vendor_host: Host) -> None:
    for identifier in (box, vendor_host.id_of(box)):
        assert tl("exec", "-w", "/usr", "-e", "A=x y", identifier, "sh", "-c", "pwd; echo $A").stdout == "/usr\nx y\n"


def test_exec_ends_as_the_command_does(tl: Tl, box: str) -> None:
    tl("exec", box, "sh", "-c", "kill -TERM $$", code=128 + signal.SIGTERM)
    tl("exec", "-t", "0.1", box, "sleep", "1000", code=None)
    assert tl("ps", box, "--json").json
    failed = tl("exec", box, "no-such-command", code=1)
    assert "command not found" in failed.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may switch users")
def test_exec_as_another_user(tl: Tl, box: str) -> None:
    assert tl("exec", "--user", "54321:54322", "-w", "/", box, "sh", "-c", "id -u; id -g").stdout == "54321\n54322\n"


def test_fifty_thousand_lines_through_exec(tl: Tl, box: str) -> None:
    script = "i=0; while [ $i -lt 50000 ]; do echo line $i; i=$((i+1)); done"
    assert tl("exec", box, "sh", "-c", script).stdout == "".join(f"line {number}\n" for number in range(50_000))


def test_an_interrupted_exec_takes_its_command_with_it(tl: Tl, box: str, vendor_host: Host) -> None:
    with tl.start("exec", box, "sh", "-c", "echo up; exec sleep 1000") as running:
        running.wait_for("up\n")
        running.process.kill()
        running.wait()
    headers = {"X-Tensorlake-Sandbox-Id": box}
    (row,) = vendor_host.http.get("/api/v1/processes", headers=headers).json()["processes"]
    follow = f"/api/v1/processes/{row['pid']}/output/follow"
    assert "eof" in vendor_host.http.get(follow, headers=headers).text
    row = vendor_host.http.get(f"/api/v1/processes/{row['pid']}", headers=headers).json()
    assert row["signal"] == signal.SIGKILL


# -- processes -----------------------------------------------------------------------------------------------------


def test_a_managed_process_is_started_listed_restarted_and_killed(tl: Tl, box: str) -> None:
    health = ("--health-tcp", "1", "--health-initial-delay-ms", "600000")
    restart = ("--restart", "on-failure", "--max-restarts", "4", "--initial-backoff-ms", "10", "--max-backoff-ms", "20")
    pid = tl("exec", "--detach", "--name", "web", *restart, *health, box, "sleep", "1000").stdout.strip()
    rows = table(tl("ps", box).stdout)
    assert rows[0] == ["PID", "Status", "Managed", "Name", "Restarts", "Health", "Command"]
    assert rows[1] == [pid, "running", "yes", "web", "0", "starting", "sleep 1000"]
    shown = tl("ps", box, "web", "--json").json
    assert shown["managed"]["restart"] == {
        "policy": "on_failure", "max_restarts": 4, "initial_backoff_ms": 10, "max_backoff_ms": 20,
    }  # fmt: skip
    again = tl("restart", box, "web").stdout.strip()
    assert again.isdigit()
    assert again != pid
    assert tl("kill", box, "web").stdout.strip() == "Killed process web."
    assert tl("ps", box, "web", "--json").json["managed"]["status"] == "stopped"


def test_a_plain_process_is_killed_by_pid(tl: Tl, box: str) -> None:
    assert "No processes found" in tl("ps", box).stdout + tl("ps", box).stderr
    pid = tl("exec", "--detach", box, "sleep", "1000").stdout.strip()
    tl("kill", box, pid)
    assert tl("ps", box, pid, "--json").json["signal"] == signal.SIGKILL


def test_a_name_with_a_space(tl: Tl, box: str) -> None:
    tl("exec", "--detach", "--name", "my web", box, "sleep", "1000")
    assert tl("ps", box, "my web", "--json").json["managed"]["name"] == "my web"
    assert "my web" in tl("kill", box, "my web").stdout


def test_an_unknown_process_and_an_unknown_sandbox(tl: Tl, box: str) -> None:
    assert "404" in tl("kill", box, "nope", code=1).stderr
    assert "404" in tl("exec", "no-such-box", "true", code=1).stderr
    assert "key is not valid" in tl("ls", code=1, TENSORLAKE_API_KEY="wrong").stderr


# -- files, logs, ports --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "with space", "grüße", "a+b"])
def test_a_file_is_copied_there_and_back(tl: Tl, box: str, vendor_host: Host, tmp_path: Path, name: str) -> None:
    source, there, back = tmp_path / name, tmp_path / "there" / name, tmp_path / "back"
    source.write_bytes(bytes(range(256)))
    tl("cp", str(source), f"{box}:{there}")
    assert vendor_host.file(box, there) == source.read_bytes()
    tl("cp", f"{box}:{there}", str(back))
    assert back.read_bytes() == source.read_bytes()
    assert "404" in tl("cp", f"{box}:{tmp_path}/nothing", str(back), code=1).stderr


def test_persisted_logs(tl: Tl, box: str) -> None:
    tl("exec", "--detach", "--name", "web", box, "sh", "-c", "echo one; echo two")
    tl("exec", box, "sh", "-c", "echo three")
    assert set(tl("logs", box).stdout.splitlines()) == {"one", "two", "three"}
    assert "web" in tl("logs", "streams", box).stdout
    assert tl("logs", box, "--body", "TWO").stdout == "two\n"


def test_ports(tl: Tl, box: str) -> None:
    assert "Exposed 8080" in tl("port", "expose", box, "8080").stdout
    assert "8080" in tl("port", "ls", box).stdout
    tl("port", "rm", box, "8080")
    assert "8080" not in tl("port", "ls", box).stdout


# -- snapshots and copies ------------------------------------------------------------------------------------------


def test_a_checkpoint_is_listed_restored_and_removed(tl: Tl, box: str, made: list[str]) -> None:
    tl("exec", box, "sh", "-c", "echo kept > note.txt")
    snapshot = tl("checkpoint", box).stdout.strip()
    assert snapshot in tl("checkpoint", "ls").stdout
    restored = tl("create", "-s", snapshot).stdout.strip()
    made.append(restored)
    assert tl("exec", restored, "cat", "note.txt").stdout == "kept\n"
    tl("checkpoint", "rm", snapshot)
    assert snapshot not in tl("checkpoint", "ls").stdout


def test_a_copy(tl: Tl, box: str, made: list[str]) -> None:
    made += re.findall(r"\b[a-z0-9]{21}\b", tl("copy", box, "-n", "2").stdout)
    assert len(made) == 2
    for item in made:
        assert tl("exec", item, "echo", "hi").stdout == "hi\n"


# -- terminals and tunnels -----------------------------------------------------------------------------------------


def test_an_interactive_shell(tl: Tl, box: str) -> None:
    with tl.start("ssh", "-s", "/bin/sh", box, terminal=True) as shell:
        shell.press("stty size; echo $((6*7)); exit 5\r")
        shell.wait_for("24 100")
        shell.wait_for("42")
        assert shell.wait().code == 5


def test_terminal_sessions_are_listed_and_removed(tl: Tl, box: str, vendor_host: Host) -> None:
    headers = {"X-Tensorlake-Sandbox-Id": box}
    body = {"command": "sleep", "args": ["1000"]}
    session = vendor_host.http.post("/api/v1/pty", headers=headers, json=body).json()["session_id"]
    assert session in tl("pty", "ls", box).stdout
    tl("pty", "rm", box, session)
    assert session not in tl("pty", "ls", box).stdout


def test_a_tunnel(tl: Tl, box: str) -> None:
    server = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        "c, _ = s.accept(); c.sendall(b'welcome'); c.close()"
    )
    local = free_port()
    with tl.start("exec", box, "python3", "-c", server) as serving:
        port = re.search(r"\d+\n", serving.wait_for(r"\d+\n"))
        assert port
        with tl.start("tunnel", box, port[0].strip(), "-l", str(local)) as tunnel:
            tunnel.wait_for("Listening on")
            with socket.create_connection(("127.0.0.1", local)) as talk:
                assert b"".join(iter(lambda: talk.recv(100), b"")) == b"welcome"


def test_json_is_json(tl: Tl, box: str) -> None:
    tl("exec", "--detach", box, "sleep", "1000")
    (row,) = json.loads(tl("ps", box, "--json").stdout)["processes"]
    assert row["command"] == "sleep"
