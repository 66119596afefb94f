"""Process managers that run detached and are asked by commands: how each is configured, and what its commands are."""

from __future__ import annotations

import json
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.figures import OURS
from benchmarks.lab import Bench, Lab

Command = list[str | Path]

SERVICE = "echo $EPOCHREALTIME >> moments.$1; echo up; exec sleep 1000\n"
"""Records the moment of its first action. bash knows the time without starting a program."""


class Manager(ABC):
    """A program that keeps `count` services running in the directory of a bench."""

    name: str

    def __init__(self, bench: Bench, command: Path) -> None:
        self.bench = bench
        self.command = command

    @abstractmethod
    def configure(self, count: int) -> None:
        """Write the file that defines the services."""

    @abstractmethod
    def up(self) -> Command:
        """Return the command that starts everything in the background; again, it has nothing to do."""

    @abstractmethod
    def listing(self) -> Command:
        """Return the command that lists the services."""

    @abstractmethod
    def restart(self, service: str) -> Command:
        """Return the command that restarts one service."""

    @abstractmethod
    def down(self) -> Command:
        """Return the command that stops everything."""

    def unchanged(self) -> Command:
        """Return the command that applies an unchanged file."""
        return self.up()

    def run(self, command: Command, *, check: bool = True) -> None:
        """Run one of its commands."""
        subprocess.run(
            command,
            cwd=self.bench.directory,
            env=self.bench.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=check,
            timeout=120,
        )


class Ours(Manager):
    """Our own command, whose host runs the services."""

    name = OURS

    def configure(self, count: int) -> None:
        services = {f"p{n}": {"command": ["bash", "service.sh", f"p{n}"]} for n in range(count)}
        self.bench.write("sbxcompose.yaml", json.dumps({"processes": services}))

    def up(self) -> Command:
        return [self.command, "up", "-d"]

    def listing(self) -> Command:
        return [self.command, "ps"]

    def restart(self, service: str) -> Command:
        return [self.command, "restart", service]

    def down(self) -> Command:
        return [self.command, "down"]


class Supervisor(Manager):
    """supervisord, asked by `supervisorctl`."""

    name = "supervisord"

    HEAD = """[unix_http_server]
file={top}/supervisor.sock
[supervisord]
logfile={top}/supervisord.log
pidfile={top}/supervisord.pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{top}/supervisor.sock
"""

    def configure(self, count: int) -> None:
        programs = [f"[program:p{n}]\ncommand=bash service.sh p{n}\nstartsecs=0\n" for n in range(count)]
        self.bench.write("supervisord.conf", self.HEAD.format(top=self.bench.directory) + "".join(programs))

    def up(self) -> Command:
        return [self.command, "-c", "supervisord.conf"]

    def _control(self, *arguments: str) -> Command:
        return [self.command.with_name("supervisorctl"), "-c", "supervisord.conf", *arguments]

    def unchanged(self) -> Command:
        return self._control("update")

    def listing(self) -> Command:
        return self._control("status")

    def restart(self, service: str) -> Command:
        return self._control("restart", service)

    def down(self) -> Command:
        return self._control("shutdown")


class Dekit(Manager):
    """dekit, whose runner is started by `up`."""

    name = "dekit"

    def configure(self, count: int) -> None:
        tasks = {f"p{n}": {"cmd": ["bash", "service.sh", f"p{n}"], "autostart": True} for n in range(count)}
        self.bench.write("dekit.yaml", json.dumps({"tasks": tasks}))

    def up(self) -> Command:
        return [self.command, "up"]

    def listing(self) -> Command:
        return [self.command, "ls"]

    def restart(self, service: str) -> Command:
        return [self.command, "restart", service]

    def down(self) -> Command:
        return [self.command, "down"]


class Pm2(Manager):
    """pm2, whose daemon is started by the first command."""

    name = "pm2"

    def configure(self, count: int) -> None:
        apps = [
            {"name": f"p{n}", "script": "service.sh", "interpreter": "bash", "args": [f"p{n}"]} for n in range(count)
        ]
        self.bench.write("pm2.config.json", json.dumps({"apps": apps}))

    def up(self) -> Command:
        return [self.command, "start", "pm2.config.json"]

    def listing(self) -> Command:
        return [self.command, "list"]

    def restart(self, service: str) -> Command:
        return [self.command, "restart", service]

    def down(self) -> Command:
        return [self.command, "kill"]


class Circus(Manager):
    """circusd, asked by `circusctl` over ZeroMQ."""

    name = "circusd"

    def configure(self, count: int) -> None:
        base = free_ports()
        head = "[circus]\ncheck_delay = -1\n" + "".join(
            f"{name} = tcp://127.0.0.1:{port}\n"
            for name, port in zip(("endpoint", "pubsub_endpoint", "stats_endpoint"), base, strict=True)
        )
        self._endpoint = f"tcp://127.0.0.1:{base[0]}"
        watchers = [
            f"[watcher:p{n}]\ncmd = bash service.sh p{n}\nworking_dir = {self.bench.directory}\ncopy_env = True\n"
            for n in range(count)
        ]
        self.bench.write("circus.ini", head + "".join(watchers))

    def up(self) -> Command:
        return [self.command, "--daemon", "circus.ini"]

    def _control(self, *arguments: str) -> Command:
        return [self.command.with_name("circusctl"), "--endpoint", self._endpoint, "--timeout", "30", *arguments]

    def unchanged(self) -> Command:
        return self._control("reloadconfig")

    def listing(self) -> Command:
        return self._control("status")

    def restart(self, service: str) -> Command:
        return self._control("restart", service)

    def down(self) -> Command:
        return self._control("quit")


def free_ports() -> list[int]:
    """Return three ports of this machine that nothing listens on."""
    with ExitStack() as stack:
        found = []
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            found.append(sock.getsockname()[1])
        return found


MANAGERS: tuple[type[Manager], ...] = (Ours, Supervisor, Circus, Dekit, Pm2)


@contextmanager
def managing(lab: Lab, kind: type[Manager], count: int) -> Iterator[Manager | None]:
    """A manager with `count` services defined, none started; None if it cannot be had. All is stopped at the end."""
    command = lab.ours if kind is Ours else lab.peer(kind.name)
    if command is None:
        yield None
        return
    with lab.bench() as bench:
        bench.write("service.sh", SERVICE)
        manager = kind(bench, command)
        manager.configure(count)
        try:
            yield manager
        finally:
            with suppress(OSError, subprocess.SubprocessError):
                manager.run(manager.down(), check=False)
