"""The control plane: which sandboxes there are, kept over restarts (contract, section 2).

A local sandbox is a group of supervised processes on this machine, with a directory for its records and logs.
What a request wants beyond that, and what would be a promise, is refused.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.models import CreateRequest, ResourcesInfo, SandboxInfo
from sbxcompose.host import chores, network
from sbxcompose.host.keeper.client import Adopted, Exited, KeeperClient
from sbxcompose.host.problems import Problem, from_os
from sbxcompose.host.processes import Processes, gather
from sbxcompose.host.records import read_json, write_json

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 21
MAX_NAME = 63
LIFETIME = 600
"""Seconds after which a sandbox without a name ends, unless the request says otherwise (contract, section
2.2).
"""
KEPT_TERMINATED = 100
"""How many terminated sandboxes are remembered."""
TERMINATION_GRACE_MS = 2_000
"""What a process may take at most to end with its sandbox."""
EXTENSIONS = ["batch", "watch", "stop"]

_NAME = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_ID = re.compile(r"[a-z0-9]{21}")


class Sandbox:
    """One sandbox. `info` is what is recorded of it."""

    def __init__(self, info: SandboxInfo, directory: Path, processes: Processes) -> None:
        self.info = info
        self.directory = directory
        self.processes = processes
        self.ending = False
        self.expiry: asyncio.TimerHandle | None = None


class Sandboxes:
    """All sandboxes of the host, the live ones with their processes. `idle` is called when something has
    ended.
    """

    def __init__(self, directory: Path, keeper: KeeperClient, idle: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._keeper = keeper
        self._idle = idle
        self._live: dict[str, Sandbox] = {}
        self._terminated: dict[str, SandboxInfo] = {}
        self._names: dict[str, Sandbox] = {}

    def __iter__(self) -> Iterator[Sandbox]:
        return iter(list(self._live.values()))

    @property
    def running(self) -> int:
        """How many processes run, in all sandboxes."""
        return sum(each.processes.running for each in self._live.values())

    @property
    def busy(self) -> bool:
        """Whether any process runs, or will."""
        return any(sandbox.processes.busy for sandbox in self._live.values())

    # -- finding -------------------------------------------------------------------------------------------

    def live(self, identifier: str) -> Sandbox:
        """The live sandbox of an id or name. Raises `Problem`: 404, or 409 for the id of a terminated one."""
        found = self._names.get(identifier) or self._live.get(identifier)
        if found is not None and not found.ending:
            return found
        if found is not None:
            raise Problem(409, f"sandbox {identifier} is being terminated", "SANDBOX_TERMINATED")
        if identifier in self._terminated:
            raise Problem(409, f"sandbox {identifier} is terminated", "SANDBOX_TERMINATED")
        raise Problem(404, f"sandbox {identifier} not found", "SANDBOX_NOT_FOUND")

    def info(self, identifier: str) -> SandboxInfo:
        """What is known of a sandbox; of a terminated one by its id alone, since its name is free. Raises
        `Problem`.
        """
        if identifier in self._terminated:
            return self._terminated[identifier]
        found = self._names.get(identifier) or self._live.get(identifier)
        return found.info if found is not None else self.live(identifier).info

    def page(
        self, *, namespace: str, limit: int, cursor: str | None, backward: bool, status: str | None
    ) -> tuple[list[SandboxInfo], str | None, str | None]:
        """A page of the list in the order of creation, and the cursors of the ones before and after it.

        Raises `Problem` for a cursor that is none.
        """
        known = [*self._terminated.values(), *(each.info for each in self._live.values())]
        mine = (each for each in known if each.namespace == namespace and status in (None, each.status))
        every = sorted(mine, key=_cursor)
        keys = [_cursor(each) for each in every]
        if cursor is not None and not re.fullmatch(r"[0-9a-f]{16}\.[a-z0-9]{21}", cursor):
            raise Problem(400, f"{cursor!r} is no cursor that this host has given", "BAD_CURSOR")
        if backward:
            end = len(keys) if cursor is None else sum(key < cursor for key in keys)
            start = max(0, end - limit)
        else:
            start = 0 if cursor is None else sum(key <= cursor for key in keys)
            end = min(len(keys), start + limit)
        previous = keys[start] if 0 < start < len(keys) and end > start else None
        following = keys[end - 1] if start < end < len(keys) else None
        return every[start:end], previous, following

    # -- creating ------------------------------------------------------------------------------------------

    def create(self, request: CreateRequest, namespace: str = "default") -> SandboxInfo:
        """Make a sandbox. Raises `Problem`."""
        refuse_unsupported(request)
        self._check_name(request)
        number = new_id()
        info = SandboxInfo(
            id=number,
            namespace=namespace,
            status="running",
            name=request.name,
            image=request.image,
            resources=resources(request.resources),
            timeout_secs=_timeout(request),
            network=request.network,
            exposed_ports=request.exposed_ports,
            allow_unauthenticated_access=request.allow_unauthenticated_access,
            created_at=_now(),
            auto_resume=request.auto_resume,
            project_directory=request.project_directory,
        )
        directory = self._directory / number
        try:
            directory.mkdir(mode=0o700, parents=True)
            write_json(directory / "sandbox.json", info.write())
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise from_os(error, "the sandbox cannot be recorded") from None
        self._add(info)
        return info

    def _check_name(self, request: CreateRequest) -> None:
        name = request.name
        if name is None:
            return
        check_name(name)
        holder = self._names.get(name)
        if holder is None:
            return
        other = holder.info.project_directory
        if request.project_directory is not None and other is not None and other != request.project_directory:
            hint = "give this project another name, with `-p NAME` or `name:` in its file"
            raise Problem(409, f"sandbox {name} belongs to the project in {other}", "PROJECT_DIRECTORY", hint)
        raise Problem(409, f"a sandbox named {name} exists already", "ALREADY_EXISTS")

    def _add(self, info: SandboxInfo) -> Sandbox:
        directory = self._directory / info.id
        workdir = info.project_directory
        processes = Processes(info.id, directory, workdir, self._keeper, info.network)
        processes.idle = self._idle
        sandbox = Sandbox(info, directory, processes)
        self._live[info.id] = sandbox
        if info.name is not None:
            self._names[info.name] = sandbox
        elif info.timeout_secs:
            age = (_now() - (info.created_at or 0)) / 1000
            left = max(0.0, info.timeout_secs - age)
            sandbox.expiry = asyncio.get_running_loop().call_later(left, self._expired, sandbox)
        return sandbox

    # -- terminating ---------------------------------------------------------------------------------------

    async def terminate(self, identifier: str, reason: str = "Success(UserTerminated)") -> None:
        """End a sandbox and all that runs in it. Again on a terminated one is fine. Raises `Problem`."""
        sandbox = self._names.get(identifier) or self._live.get(identifier)
        if sandbox is None:
            if not any(identifier in (each.id, each.name) for each in self._terminated.values()):
                raise Problem(404, f"sandbox {identifier} not found", "SANDBOX_NOT_FOUND")
            return
        await self._terminate(sandbox, reason)

    async def _terminate(self, sandbox: Sandbox, reason: str) -> None:
        if not sandbox.ending:
            sandbox.ending = True
            self._remember(sandbox, {"ending": reason})
        await sandbox.processes.end(grace_ms=TERMINATION_GRACE_MS)
        if sandbox.info.id not in self._live:
            return  # somebody else asked for the same, and was faster
        if sandbox.processes.live:
            await self._terminate(sandbox, reason)
            return
        sandbox.info = replace(sandbox.info, status="terminated", terminated_at=_now(), termination_reason=reason)
        self._forget_live(sandbox)
        self._remember(sandbox, {})
        self._prune()
        self._idle()

    def _remember(self, sandbox: Sandbox, more: dict[str, Any]) -> None:
        """Record its end as far as possible: a full disk must not keep anybody from making room."""
        try:
            write_json(sandbox.directory / "sandbox.json", {**sandbox.info.write(), **more})
        except OSError as error:
            print(f"not recorded: sandbox {sandbox.info.id}: {error}", file=sys.stderr)

    def _forget_live(self, sandbox: Sandbox) -> None:
        info = sandbox.info
        del self._live[info.id]
        if info.name is not None and self._names.get(info.name) is sandbox:
            del self._names[info.name]
        if sandbox.expiry is not None:
            sandbox.expiry.cancel()
        self._terminated[info.id] = info
        sandbox.processes.closed()
        for part in ("processes", "logs"):
            shutil.rmtree(sandbox.directory / part, ignore_errors=True)

    def _prune(self) -> None:
        surplus = sorted(self._terminated.values(), key=lambda each: each.terminated_at or 0)[:-KEPT_TERMINATED]
        for info in surplus:
            del self._terminated[info.id]
            shutil.rmtree(self._directory / info.id, ignore_errors=True)

    def _expired(self, sandbox: Sandbox) -> None:
        chores.do(self._terminate(sandbox, "Success(Timeout)"))

    async def end_all(self) -> None:
        """End every process, politely; the sandboxes stay."""
        await gather(each.processes.end() for each in self)

    # -- after the last server's death ---------------------------------------------------------------------

    def load(self) -> None:
        """Read what is recorded."""
        for path in sorted(self._directory.glob("*/sandbox.json")):
            value = read_json(path)
            with suppress(TypeError):  # a record of something else
                if isinstance(value, dict) and value.get("id") == path.parent.name:
                    self._load(SandboxInfo.read(value), value.get("ending"))

    def _load(self, info: SandboxInfo, ending: str | None) -> None:
        if info.status == "terminated":
            self._terminated[info.id] = info
            return
        sandbox = self._add(info)
        sandbox.processes.load()
        if ending:
            sandbox.ending = True
            chores.do(self._terminate(sandbox, ending))

    def adopt(self, adopted: Adopted) -> bool:
        """Take over a run; False if nobody wants it."""
        sandbox = self._live.get(adopted.unit.partition(".")[0])
        return sandbox is not None and sandbox.processes.adopt(adopted)

    def resume(self, known: set[str]) -> list[str]:
        """Go on with all that is not among the `known` units; returns the units to be swept up."""
        return [unit for sandbox in self for unit in sandbox.processes.resume(known)]

    def exited(self, exited: Exited) -> bool:
        """A run is over; False if nobody wants to know."""
        sandbox = self._live.get(exited.unit.partition(".")[0])
        return sandbox is not None and sandbox.processes.exited(exited)


def check_name(name: str) -> None:
    """The contract's rule for names (section 2.7). Raises `Problem`."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or _ID.fullmatch(name):
        raise Problem(
            400,
            f"{name[:80]!r} cannot be a sandbox's name: lower-case letters, digits and hyphens, a letter"
            f" first, no hyphen last, at most {MAX_NAME} characters, and not {ID_LENGTH} letters and digits",
            "BAD_NAME",
        )


def refuse_unsupported(request: CreateRequest) -> None:
    """Refuse what this host cannot keep its word on. Raises `Problem`.

    `image` and `resources` describe a machine in the cloud; they are recorded, shown, and have no effect
    here.
    """
    network.check(request.network)
    for field, value in (
        ("snapshot_id", request.snapshot_id),
        ("template_id", request.template_id),
        ("file_systems", request.file_systems),
        ("secret_names", request.secret_names),
        ("entrypoint", request.entrypoint),
        ("resources.gpus", (request.resources or {}).get("gpus")),
    ):
        if value:
            raise _unsupported(f"{field} is not supported by the local host")
    if request.name is not None and request.timeout_secs:
        raise _unsupported("timeout_secs of a named sandbox means suspension when idle, which is not supported yet")
    if 9501 in (request.exposed_ports or ()):
        raise Problem(400, "port 9501 is reserved", "BAD_PORT")


def _unsupported(words: str) -> Problem:
    return Problem(400, words, "UNSUPPORTED")


def resources(wanted: dict[str, Any] | None) -> dict[str, Any]:
    """The resources as the newest clients insist on seeing them (contract, section 2.3). Raises `Problem`."""
    given = {}
    for name, value in (wanted or {}).items():
        if name in ("cpus", "memory_mb", "disk_mb", "ephemeral_disk_mb") and value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
                raise Problem(422, f"resources.{name} must be a positive number", "INVALID")
            given[name] = value if name == "cpus" else int(value)
    disk = given.get("disk_mb", given.get("ephemeral_disk_mb", ResourcesInfo().disk_mb))
    return {**ResourcesInfo().write(), **given, "disk_mb": disk, "ephemeral_disk_mb": disk}


def new_id() -> str:
    """A sandbox's id: 21 lower-case letters and digits."""
    number = int.from_bytes(os.urandom(16), "big")
    digits = []
    for _ in range(ID_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(digits)


def _timeout(request: CreateRequest) -> int:
    if request.timeout_secs is not None:
        return request.timeout_secs
    return LIFETIME if request.name is None else 0


def _now() -> int:
    return time.time_ns() // 1_000_000


def _cursor(info: SandboxInfo) -> str:
    return f"{info.created_at or 0:016x}.{info.id}"
