"""The host from outside: found, started on first use, asked how it is, ended. Light, for every command comes
by here.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from sbxcompose import paths
from sbxcompose.engine.local_host import keeper_start, locate
from sbxcompose.engine.local_host.locate import PATIENCE, log_hint
from sbxcompose.errors import Conflict, ProviderError
from sbxcompose.host.base import damage, host_info
from sbxcompose.version import __version__

STOPS = 2
"""How often a host is asked to stop that does not end."""
ANSWER_PATIENCE = 60.0
"""Seconds that a host may take to answer: on a loaded machine a new server loads its modules for that long."""
KEY_FILE = "host.key"
KEY_BYTES = 4096
ISOLATION, ENFORCE_RESOURCES = "SBXCOMPOSE_ISOLATION", "SBXCOMPOSE_ENFORCE_RESOURCES"
ACCEPT = "SBXCOMPOSE_ACCEPT"
"""The variables by which a host knows how to isolate and limit sandboxes that programs create, and what it accepts
although it cannot keep it.
"""
IDLE = "SBXCOMPOSE_HOST_IDLE"
"""The variable by which it knows after how many idle seconds it ends."""
_ANEW = "`sbxcompose host stop`, then start it again"


def ensure_host(
    *,
    port: int | None = None,
    key: str | None = None,
    report: Callable[[str], None] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Return the Unix socket of a host that runs: started now, if none did. `report` gets what people should know.

    With `port` (0: any) it must listen on that port of 127.0.0.1, too, with `key`, or one that is made up. `options`
    are variables by which it is started. Two callers at once end up with one host. Raises `ProviderError`.
    """
    os.environ.update(options or {})
    if keeper := keeper_start.take_started_ahead():
        return _start(port, key, keeper)
    path = locate.find()
    if path is None or _gives_way(path, port, options or {}):
        return _start(port, key)
    _check_port(path, port)
    _check_key(key)
    _check_options(path, options or {})
    _check_version(report or _to_stderr)
    return path


def replace_killed() -> Path | None:
    """Return the Unix socket of a host that runs: started now, if the last one was killed; None if it ended in good
    order.

    Raises `ProviderError`.
    """
    path = locate.find()
    return _start(None, None) if path is None and locate.was_killed() else path


def serve_foreground(
    *,
    port: int | None = None,
    key: str | None = None,
    ready: Callable[[dict[str, Any]], None] = lambda told: None,
    options: Mapping[str, str] | None = None,
) -> NoReturn:
    """Become the host, in the foreground: Ctrl-C ends it, politely, and nothing else does.

    `ready` is given what the keeper says once it listens, or has found that it cannot, in a process of its own.
    Raises `ProviderError` if a host is already running.
    """
    path = locate.find()
    if path is not None and not _gives_way(path, port, options or {}, foreground=True):
        raise ProviderError(
            "a host is already running", hint=f"{_ANEW}; `sbxcompose host status` shows what is running in it"
        )
    os.environ.setdefault(IDLE, "never")  # its terminal shows that it is there; a client may come tomorrow
    os.environ.update(options or {})
    read, write = os.pipe()
    _prepare_key(port, key)
    argv = keeper_start.keeper_command(port, detach=False, ready_fd=write)
    sys.stdout.flush()
    sys.stderr.flush()
    if (child := os.fork()) == 0:
        # A grandchild, because this process becomes the keeper, which must not find a child that it has not made.
        if os.fork() == 0:
            os.close(write)
            _pass_on(read, ready)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(read)
    os.set_inheritable(write, True)
    # The keeper in our place, and not a child of ours: what Ctrl-C and the caller's `wait` see is the host itself.
    os.execv(argv[0], argv)


def _pass_on(read: int, ready: Callable[[dict[str, Any]], None]) -> None:
    with open(read, "rb") as pipe:
        words = pipe.readline()
    if words.strip():
        ready(json.loads(words))
    sys.stdout.flush()
    sys.stderr.flush()


def status() -> dict[str, Any] | None:
    """Return what the host says of itself (pid, keeper_pid, version, running_processes, …); None when none runs."""
    path = locate.find()
    if path is None:
        return None
    return _ask_status(path)


def stop(*, force: bool = False) -> bool:
    """Stop the host, and with `force` all that runs in it; False if none ran. Returns when it is gone.

    What a host that was killed has left running is stopped, too, by a host that is started for that.
    Raises `Conflict` when something runs and `force` is not given.
    """
    path = locate.find()
    if path is None:
        if not locate.was_killed():
            return False
        path = _start(None, None)
    for _ in range(STOPS):
        told = ask(path, "POST", "/host/v1/stop", "cannot stop the host", {"force": force}, patience=None)
        if _ends(told["keeper_pid"]):
            return True
        # Another command may have started something just then: the host continues, and says so when it is asked again.
    raise ProviderError("the host has stopped everything but does not exit", hint=log_hint())


def _ends(pid: int) -> bool:
    """Wait for the end of a keeper, for `PATIENCE` seconds at most; whether it has ended."""
    keeper = _pidfd(pid)
    if keeper is None:
        return True
    poll = select.poll()  # takes descriptors of any number, unlike select
    poll.register(keeper, select.POLLIN)
    gone = poll.poll(PATIENCE * 1000)
    os.close(keeper)
    return bool(gone)


def api_key() -> str:
    """Return the bearer key of the TCP address: made when it is first wanted, and kept. Raises `ProviderError`."""
    path = paths.state_directory() / KEY_FILE
    try:
        known = damage.read_file(path, most=KEY_BYTES).decode().strip()
    except FileNotFoundError:
        known = ""
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not text"
        hint = "move it away; the next `sbxcompose host serve` makes a new one"
        raise ProviderError(f"cannot read the key {path}: {why}", hint=hint) from error
    return known or _write_key(os.urandom(24).hex())


def _write_key(key: str) -> str:
    from sbxcompose.file_writing import replace_file  # late: the key is made once

    path = paths.state_directory() / KEY_FILE
    try:
        replace_file(path, key.encode() + b"\n")
    except OSError as error:
        raise ProviderError(f"cannot write the key {path}: {(error.strerror or str(error)).lower()}") from error
    return key


# -- asking ------------------------------------------------------------------------------------------------


def _ask_status(path: Path) -> dict[str, Any]:
    return ask(path, "GET", "/host/v1/status", "cannot read the status of the host")


def ask(
    path: Path, method: str, target: str, what: str, body: Any = None, *, patience: float | None = ANSWER_PATIENCE
) -> dict[str, Any]:
    """Send one request, in an event loop of its own; `what` begins the message of a refusal.

    `patience` is in seconds. Raises `Unreachable`, `Refused` or `Conflict`.
    """
    # Imported late: to find or start a host needs neither.
    import asyncio

    from sbxcompose.api.transport import HostAddress, Transport
    from sbxcompose.api.wire import HttpRequest
    from sbxcompose.api.wire_errors import expect, no_answer_in_time, not_an_object

    async def question() -> Any:
        async with asyncio.timeout(patience), Transport(HostAddress(path=os.fspath(path), hint=log_hint())) as host:
            return expect(await host.request(HttpRequest(method, target, body=body)), what)

    try:
        answer = asyncio.run(question())
    except TimeoutError:
        raise no_answer_in_time(f"the host at {path}", patience or 0.0, log_hint()) from None
    if not isinstance(answer, dict):
        raise not_an_object(what, log_hint())
    return answer


# -- starting ----------------------------------------------------------------------------------------------


def _start(port: int | None, key: str | None, keeper: keeper_start.StartedKeeper | None = None) -> Path:
    """Start a host, unless `keeper` is one already; where it listens. If another command is faster, wait for its host;
    should one be ending, try again after it.
    """
    _prepare_key(port, key)
    while True:
        told = (keeper or keeper_start.StartedKeeper(port)).answer()
        keeper = None
        if told.get("status") == "ready":
            return Path(told["socket"])
        if told.get("status") != "taken":
            raise ProviderError(
                f"the host cannot be started: {told.get('message', 'it gave no reason')}", hint=log_hint()
            )
        path = locate.find()
        if path is not None:
            _check_port(path, port)
            _check_key(key)
            return path


def _prepare_key(port: int | None, key: str | None) -> None:
    """Have the key in its file before a host listens on a port."""
    if port is not None:
        _ = api_key() if key is None else _write_key(key)


def _gives_way(path: Path, port: int | None, options: Mapping[str, str], *, foreground: bool = False) -> bool:
    """Stop an idle host that a command has started, if it is not as it is wanted now; return whether it was stopped.

    One with a port may have clients of which it cannot know, and one that never ends by itself was started to stay.
    """
    if port is None and not options and not foreground:
        return False
    told = _ask_status(path)
    differs = any(options.get(name, known) != known for name, known in told.get("options", {}).items())
    if told["tcp"] is not None or not told.get("ends_when_idle") or not (foreground or port is not None or differs):
        return False
    try:
        return stop()
    except Conflict:
        return False  # something runs in it


def _check_port(path: Path, port: int | None) -> None:
    if port is None:
        return
    address = _ask_status(path)["tcp"]
    if address is None:
        raise ProviderError("the host is already running, without a port", hint=_ANEW)
    if port and not address.endswith(f":{port}"):
        raise ProviderError(f"the host is already running, at {address}", hint=_ANEW)


def _check_options(path: Path, options: Mapping[str, str]) -> None:
    """Refuse a host that was started in another way."""
    told = _ask_status(path) if options else {}
    for name, known in told.get("options", {}).items():
        if options.get(name, known) != known:
            option = name.removeprefix("SBXCOMPOSE_").lower().replace("_", "-")
            raise ProviderError(f"a host is already running, with `{option}` set to `{known or 'nothing'}`", hint=_ANEW)


def _check_key(key: str | None) -> None:
    if key is not None and key != api_key():
        raise ProviderError("the host is already running, with another key", hint=_ANEW)


def _check_version(report: Callable[[str], None]) -> None:
    version = host_info.read(paths.state_directory()).get("version", __version__)
    if version != __version__:
        report(
            f"the host that runs is version {version}, this is {__version__};"
            " `sbxcompose host stop` when nothing runs, and the next command starts the new one"
        )


def _to_stderr(words: str) -> None:
    print(f"note: {words}", file=sys.stderr)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
