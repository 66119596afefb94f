"""A host's state directory as a server leaves it, written by the same code, and ways to damage it."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import LastExit, StartRequest
from sbxcompose.api.sandbox_models import SandboxInfo, SnapshotInfo
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs.segments import STDERR, STDOUT
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise.failed_starts import FailedStarts
from sbxcompose.host.supervise.records import Records
from sbxcompose.host.supervise.start_notes import StartNotes
from sbxcompose.host.supervise.state import ProcessRecord, Run, Stopped
from sbxcompose.host.terminals.scrollback import Scrollback
from sbxcompose.host.terminals.session import SessionRecord as Session

GOOD, BAD = "g" * 21, "b" * 21
SNAPSHOT = "s" * 21
SESSION = "t" * 8
LINES, ERRORS = b"one\ntwo\n", b"oh\n"

SANDBOX_FILES = (
    *("sandbox.json", "processes", "processes/1.json", "failed-starts.json", "starts.jsonl"),
    *("logs", "logs/web", f"logs/web/{0:016x}.idx", f"logs/web/{0:016x}.out", f"logs/web/{0:016x}.err"),
    *("terminals", f"terminals/{SESSION}", f"terminals/{SESSION}/session.json", f"terminals/{SESSION}/0.out"),
)
"""What a sandbox's directory has, that could be damaged."""
OTHER_FILES = (
    *("snapshots", f"snapshots/{SNAPSHOT}", f"snapshots/{SNAPSHOT}/snapshot.json", f"snapshots/{SNAPSHOT}/files"),
    *("host.json", "host.key", "host.lock", "damaged"),
)
"""And the rest of the state directory."""


def make_sandbox(state: Path, number: str, name: str) -> None:
    """A sandbox in which a process has run, another one could not be started, and a terminal has ended."""
    directory = state / "sandboxes" / number
    directory.mkdir(parents=True)
    info = SandboxInfo(id=number, status="running", name=name, created_at=1_700_000_000_000, project_directory="/")
    write_json(directory / "sandbox.json", info.write())
    log = LogStore.open(directory / "logs" / "web")
    run = log.begin_run(1_700_000_000.0)
    read, write = os.pipe()
    os.write(write, LINES)
    log.splice(STDOUT, read, run)
    os.write(write, ERRORS)
    log.splice(STDERR, read, run)
    os.close(read)
    os.close(write)
    log.end_run(run, 0, None, 1_700_000_001.0)
    log.close()
    exit = LastExit(exit_code=0, ended_at=1_700_000_001_000)
    Records(directory / "processes").save(
        ProcessRecord(
            1,
            StartRequest(command="true", name="web"),
            "web",
            0,
            Stopped(log.end),
            Run(1, 4711, run, 1_700_000_000_000, exit),
            [[run, run]],
            last_exit=exit,
        )
    )
    FailedStarts(directory).add(
        StartRequest(command="nope", name="other"), Problem(500, "no such file", "SPAWN_FAILED")
    )
    StartNotes(directory / "starts.jsonl", lambda _: None).add(
        StartNote("web", run, 1_700_000_000_000, None, None, ["secret"])
    )
    session = directory / "terminals" / SESSION
    session.mkdir(parents=True)
    write_json(session / "session.json", asdict(Session(SESSION, "token", "sh", 24, 80, 1, pid=1, ended_at=2)))
    tape = Scrollback(session)
    tape.append(b"$ exit\r\n")
    tape.close()


def make_state(state: Path) -> None:
    """Two sandboxes, a snapshot, and what the host keeps for itself."""
    make_sandbox(state, GOOD, "good")
    make_sandbox(state, BAD, "bad")
    (state / "snapshots" / SNAPSHOT / "files").mkdir(parents=True)
    (state / "damaged").mkdir()
    write_json(
        state / "snapshots" / SNAPSHOT / "snapshot.json",
        SnapshotInfo(id=SNAPSHOT, sandbox_id=GOOD, status="completed").write(),
    )
    write_json(state / "host.json", {"version": "0", "tcp": None})
    (state / "host.key").write_text("sesame\n")
    (state / "host.lock").write_text('{"pid": 4711}\n')


def _clear(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _contents(data: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        before = path.read_bytes() if path.is_file() else b""
        _clear(path)
        path.write_bytes(data(before))

    return damage


def _other_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: item if name in ("id", "is") else _other_types(item) for name, item in value.items()}
    return {} if isinstance(value, str | list | int | None) else "x"


def _json_of_other_types(data: bytes) -> bytes:
    try:
        return json.dumps(_other_types(json.loads(data))).encode()
    except ValueError:
        return b'{"id": {}}'


def _sparse(path: Path) -> None:
    _clear(path)
    path.touch()
    os.truncate(path, 1 << 40)


def _link(target: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        _clear(path)
        path.symlink_to(target if target != "itself" else path.name)

    return damage


def _fifo(path: Path) -> None:
    _clear(path)
    os.mkfifo(path)


def _socket(path: Path) -> None:
    _clear(path)
    here = os.open(path.parent, os.O_PATH)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _unreadable(path: Path) -> None:
    path.chmod(0)


def _directory(path: Path) -> None:
    _clear(path)
    path.mkdir()
    (path / "in the way").touch()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": _contents(lambda _: b""),
    "garbage": _contents(lambda _: random.Random(5).randbytes(5000)),
    "zeros": _contents(lambda data: bytes(max(len(data), 4096))),
    "cut short": _contents(lambda data: data[: len(data) // 2]),
    "null": _contents(lambda _: b"null"),
    "a list": _contents(lambda _: b"[[], 1]"),
    "nested": _contents(lambda _: b"[" * 200_000),
    "other types": _contents(_json_of_other_types),
    "huge": _sparse,
    "missing": _clear,
    "a directory": _directory,
    "a FIFO": _fifo,
    "a socket": _socket,
    "a dangling link": _link("/nowhere/at all"),
    "a link to itself": _link("itself"),
    "a link to /dev/zero": _link("/dev/zero"),
    "unreadable": _unreadable,
}
"""How a file, or a directory, may be damaged: the name, and what does it."""
