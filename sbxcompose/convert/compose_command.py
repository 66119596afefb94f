"""What a service of a Compose file runs: a native program for its image, its own command, or that of a Dockerfile;
pure.
"""

from __future__ import annotations

import re
import shlex

from sbxcompose.convert import daemons
from sbxcompose.convert.compose_image import ServiceImage
from sbxcompose.convert.compose_mounts import is_named, volumes_of
from sbxcompose.convert.daemon_base import Daemon, Request
from sbxcompose.convert.daemon_ports import given_port, without_port
from sbxcompose.convert.draft import ProcessDraft, placeholder
from sbxcompose.convert.hosts import command_with_local_hosts
from sbxcompose.convert.paths import Paths
from sbxcompose.convert.values import optional, split, text
from sbxcompose.spec.nodes import Mapping, Scalar

Words = str | list[str]
"""A text for a shell, or words."""
Hosts = dict[str, dict[int, int]]
"""Names of services -> their ports, those in the container to those on this machine."""

_SHELL_SIGNS = re.compile(r"[;&|<>*?()`~#]|\$\(|\$\$")
_SYSTEM = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")
_SHELLS = (["sh"], ["bash"], ["/bin/sh"], ["/bin/bash"])


class ServiceCommand:
    """Derives the command of one service."""

    def __init__(self, name: str, node: Mapping, image: ServiceImage, paths: Paths, hosts: Hosts) -> None:
        self._name = name
        self._node = node
        self._image = image
        self._paths = paths
        self._hosts = hosts

    def add(self, process: ProcessDraft, environment: dict[str, str | None], ports: dict[int, int]) -> None:
        """Set the command, with the ready check and the notes that come with it. `ports`: in the container -> here."""
        image = self._image.name
        if image is not None and (daemon := self._daemon(image, environment, ports)) is not None:
            self._add_daemon(process, daemon)
            return
        command = self._own()
        if command is not None and (here := command_with_local_hosts(command, self._hosts)) != command:
            command = here
            words = "names of services in it became addresses of this machine"
            process.changed("command", words, self._node.get("command") or self._node.get("build"))
        if command is None:
            reason = f"what {self._image.known_as} runs"
            process.set("command", placeholder(self._name, reason))
            process.set("restart", "never")
            policy = text(self._node.get("restart")) or "no"
            kept = {"always": "always", "unless-stopped": "always", "on-failure": "on_failure"}.get(policy)
            again = f", and `restart: {kept}` again" if kept is not None else ""
            process.todo("command", f"write {reason}{again}", self._node)
        elif image is None or self._image.dockerfile is not None:
            self._add_built(process, command)
        else:
            self._add_program(process, image, command)

    def _add_daemon(self, process: ProcessDraft, daemon: Daemon) -> None:
        node = self._node.get("image") or self._node.get("build")
        process.set("command", daemon.command)
        data = f"; its data is in data/{self._name}" if f"data/{self._name}" in daemon.command else ""
        process.changed("image", f"`{daemon.program}` must be installed{data}", node)
        if daemon.note:
            process.todo("image", daemon.note, node)
        check = self._node.get("healthcheck")
        if check is None or daemon.health_check is not None:
            process.set("health_check", daemon.health_check)
        if check is not None and daemon.health_check is not None:
            process.changed("healthcheck", "replaced by a check that its port answers", check)

    def _add_built(self, process: ProcessDraft, command: Words) -> None:
        """Set the command of a Dockerfile, which is only its end if the base image has an entry point."""
        dockerfile = self._image.dockerfile
        if dockerfile is not None and isinstance(command, list) and command[0].startswith("-"):
            program = daemons.entry_point(dockerfile.base) or daemons.family(dockerfile.base)
            command = [program, *command]
            words = f"image {dockerfile.base} is taken to run `{program}`, which must be installed"
            process.todo("build", words, self._node.get("build"))
        process.set("command", command)
        self._check_program(process, command)

    def _check_program(self, process: ProcessDraft, command: Words) -> None:
        """Name a program that only the image has."""
        program = command.split(" ")[0] if isinstance(command, str) else (command or [""])[0]
        if program.startswith("/") and not program.startswith(_SYSTEM):
            node = self._node.get("command") or self._node.get("entrypoint") or self._node.get("build")
            process.todo("command", f"`{program}` is a file of the image: it must be here, too", node)

    def _add_program(self, process: ProcessDraft, image: str, command: Words) -> None:
        """Set a command that an image runs, after its entry point where that is known or must be one."""
        program = daemons.entry_point(image)
        first = command if isinstance(command, str) else (command or [""])[0]
        if self._node.get("entrypoint") is None and first.split(" ")[0] != program:
            if program is None and first.startswith("-"):
                program = daemons.family(image)
            if program is not None:
                command = f"{program} {command}" if isinstance(command, str) else [program, *command]
        process.set("command", command)
        self._check_program(process, command)
        if program is not None and first.startswith("-"):
            words = f"`{image}` is not pulled: it is taken to run `{program}`, which must be installed"
            process.todo("image", words, self._node.get("image"))
        else:
            process.todo("image", f"`{image}` is not pulled: its program must be installed", self._node.get("image"))

    def _daemon(self, image: str, environment: dict[str, str | None], ports: dict[int, int]) -> Daemon | None:
        arguments = split(self._node.get("command")) or []
        if self._image.server is None:
            return None
        if arguments[:1] in _SHELLS or split(self._node.get("entrypoint")) or self._is_script(arguments):
            return None
        family = daemons.family(image)
        usual = given_port(family, arguments) or daemons.default_port(image) or 0
        port = ports.get(usual, usual)
        if ports and usual not in ports and daemons.is_configured_by_file(image):
            port = next(iter(ports.values()))
        data = f"data/{self._name}"
        given = command_with_local_hosts([optional(word) for word in without_port(family, arguments)], self._hosts)
        files = {**self._volumes(), **self._paths.files}
        return daemons.command_of(Request(self._name, data, port, environment, list(given), files), image)

    def _volumes(self) -> dict[str, str]:
        """Return where named volumes lie, by their path in the container."""
        return {target: f"data/{source}" for source, target, _ in volumes_of(self._node) if is_named(source) and target}

    def _is_script(self, arguments: list[str]) -> bool:
        return bool(arguments) and arguments[0].startswith("/") and self._paths.outside(arguments[0]) is not None

    def _own(self) -> Words | None:
        """Return the command of the service or of its Dockerfile, for this machine."""
        entrypoint, command = self._node.get("entrypoint"), self._node.get("command")
        dockerfile = self._image.dockerfile
        if entrypoint is None and command is None:
            run = dockerfile.run() if dockerfile is not None else None
            if run is None or isinstance(run, str):
                return None if run is None else self._paths.rewrite(run.replace("$", "$$"))
            return [self._paths.rewrite(word.replace("$", "$$")) for word in run]
        before = dockerfile.entrypoint if dockerfile is not None and isinstance(dockerfile.entrypoint, list) else []
        if isinstance(command, Scalar) and entrypoint is None and command.value is not None and not before:
            return self._text(command.text)
        words = [*(before if entrypoint is None else split(entrypoint) or []), *(split(command) or [])]
        return [self._paths.rewrite(optional(word)) for word in words] or None

    def _text(self, command: str) -> Words:
        """Return a text command: Compose splits it without a shell, so shell signs in it mean nothing there."""
        written = self._paths.rewrite(optional(command.strip()))
        if _SHELL_SIGNS.search(re.sub(r"\$\{[^}]*\}", "", written)):
            try:
                return shlex.split(written)
            except ValueError:
                return written
        return written
