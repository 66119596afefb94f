"""One service of a Compose file -> one process; pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from collections.abc import Mapping as TypingMapping
from typing import Any

from sbxcompose.convert import daemons, health
from sbxcompose.convert.compose_build import add_build_steps
from sbxcompose.convert.compose_command import ServiceCommand
from sbxcompose.convert.compose_files import ComposeFiles, project_path
from sbxcompose.convert.compose_image import ServiceImage
from sbxcompose.convert.compose_mounts import add_mount_notes
from sbxcompose.convert.compose_notes import add_notes
from sbxcompose.convert.daemon_ports import given_port
from sbxcompose.convert.draft import ProcessDraft, ProjectDraft
from sbxcompose.convert.hosts import command_with_local_hosts, with_local_hosts
from sbxcompose.convert.paths import Paths
from sbxcompose.convert.ports import port_notes, published_ports
from sbxcompose.convert.values import (
    entries,
    escaped,
    get,
    is_true,
    number,
    optional,
    pairs,
    plain_names,
    split,
    strings,
    text,
    whole,
)
from sbxcompose.convert.watching import add_compose_watch
from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence
from sbxcompose.spec.units import parse_duration

_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "ready",
    "service_completed_successfully": "completed",
}
FoundFiles = dict[str, dict[str, str]]
"""`secrets` and `configs` of the file: name -> path in the project."""


class Service:
    """A service, and what has to be known of it before the others can be converted."""

    def __init__(self, names: tuple[str, str], node: Mapping, found: FoundFiles, files: ComposeFiles) -> None:
        self.name, self._key = names
        self._node = node
        self._files = files
        self._image = ServiceImage(node, files)
        self._published = published_ports(node.get("ports"), files.filled)
        self._moved: dict[int, int] = {}
        self.paths = Paths()
        for inside, outside in (*self._binds(), *self._secret_files(found)):
            self.paths.mount(inside, outside)
        dockerfile = self._image.dockerfile
        for source, target in dockerfile.copies if dockerfile is not None else []:
            if "*" not in source:
                inside = posixpath.join(dockerfile.workdir if dockerfile is not None else "/", target)
                self.paths.mount(_copied_to(source, inside), posixpath.join(self._image.context, source))

    def _binds(self) -> Iterator[tuple[str, str]]:
        """Yield bind mounts: path in the container, path in the project."""
        volumes = self._node.get("volumes")
        for item in volumes.items if isinstance(volumes, Sequence) else []:
            if isinstance(item, Scalar):
                parts = re.split(r":(?!-)", item.text)
                if len(parts) >= 2 and parts[0].startswith((".", "/", "~", "${PWD}", "$PWD")):
                    yield parts[1], _source(item, re.sub(r"^\$\{?PWD\}?", ".", parts[0]))
            elif text(get(item, "type")) == "bind":
                yield text(get(item, "target")) or "/", project_path(get(item, "source"))

    def _secret_files(self, files: FoundFiles) -> Iterator[tuple[str, str]]:
        """Yield the files of secrets and configs: path in the container, path in the project."""
        for kind, folder in (("secrets", "/run/secrets"), ("configs", "")):
            used = self._node.get(kind)
            for item in used.items if isinstance(used, Sequence) else []:
                name = text(item) or text(get(item, "source")) or ""
                if name in files[kind]:
                    yield posixpath.join(folder or "/", text(get(item, "target")) or name), files[kind][name]

    def host_names(self) -> list[str]:
        """Return the names under which the others reach it."""
        aliases = [
            name for _, network in entries(self._node.get("networks")) for name in strings(get(network, "aliases"))
        ]
        return [self._key, *strings(self._node.get("container_name")), *strings(self._node.get("hostname")), *aliases]

    def _movable(self) -> list[int]:
        """Return the ports in the container on which the process can be told not to listen."""
        image = self._image.server or ""
        given = given_port(daemons.family(image), split(self._node.get("command")) or [])
        environment = {**self._image.environment, **pairs(self._node.get("environment"))}
        return [port for port in (given or daemons.default_port(image), whole(environment.get("PORT"))) if port]

    def listening(self) -> dict[int, int]:
        """Map ports in the container to those on this machine, as far as the process can be told."""
        movable = self._movable()
        listening = {inside: outside if inside in movable else inside for outside, inside in self._published}
        return {**listening, **self._moved}

    def move_from(self, owners: dict[int, str]) -> None:
        """Listen elsewhere on ports that are not published, and that another service has: all have one network here.

        `owners`: port on this machine -> the service that has it.
        """
        listening = self.listening()
        hidden = [port for port in self._movable() if port not in listening]
        first = (split(self._node.get("command")) or split(self._node.get("entrypoint")) or [""])[0]
        if daemons.is_configured_by_file(self._image.name or "") or first.rpartition("/")[2] in ("sh", "bash"):
            return  # it listens where its file or script says
        for port in hidden:
            here = next(
                free for free in range(port, port + len(owners) + 1) if owners.get(free, self.name) == self.name
            )
            owners[here] = self.name
            if here != port:
                self._moved[port] = here

    def published(self) -> list[int]:
        """Return the ports of published ones on which it listens on this machine."""
        listening = self.listening()
        return [listening[inside] for _, inside in self._published]

    # -- conversion ----------------------------------------------------------------------------------------

    def convert(
        self,
        draft: ProjectDraft,
        services: dict[str, Service],
        hosts: dict[str, dict[int, int]],
        volumes: TypingMapping[str, int],
    ) -> None:
        """Add the process to the draft. `volumes`: by how many services each named volume is used."""
        process = draft.process(self.name)
        if self.name != self._key:
            process.changed("", f"was called `{self._key}`, which cannot be the name of a process", self._node)
        self._places(process)
        environment = self._environment(process, hosts)
        command = ServiceCommand(self.name, self._node, self._image, self.paths, hosts)
        command.add(process, {**self._variables_of_files(process), **environment}, self.listening())
        self._port(process, environment)
        process.set_env(environment, self._node.get("environment"))
        self._env_file(process)
        self._health(process, {**hosts, **{name: {} for name in self.host_names()}})
        self._restart(process)
        self._dependencies(process, services)
        self._convert_remaining(process)
        add_notes(process, self._node)
        if (develop := self._node.get("develop")) is not None:
            add_compose_watch(process, develop, self.paths, hosts)
        shared = {source for source, count in volumes.items() if count > 1}
        add_mount_notes(process, self._node, self.paths, is_daemon=self._image.is_known, shared=shared)
        add_build_steps(draft, process, self._image, self._node.get("build"))

    def _environment(self, process: ProcessDraft, hosts: dict[str, dict[int, int]]) -> dict[str, str | None]:
        given = self._image.environment
        environment: dict[str, str | None] = {
            name: with_local_hosts(name, optional(self.paths.rewrite(value)), hosts)
            for name, value in given.items()
            if self._is_portable(name, value)
        }
        node = self._node.get("environment")
        for name, value in pairs(node).items():
            if value is None:
                environment[name] = None
                continue
            written = self.paths.rewrite(optional(value))
            here = with_local_hosts(name, written, hosts)
            if here != optional(value):
                process.changed("environment", f"`{name}` is `{here}` instead of `{value}`", node)
            environment[name] = here
        if (moved := self.listening().get(whole(environment.get("PORT")) or 0)) is not None:
            environment["PORT"] = str(moved)
        return environment

    def _is_portable(self, name: str, value: str) -> bool:
        """Return whether a variable of an image means something on this machine."""
        if name in ("PATH", "HOME", "DEBIAN_FRONTEND", "PIP_NO_CACHE_DIR"):
            return False
        return not value.startswith("/") or self.paths.outside(value) is not None

    def _port(self, process: ProcessDraft, environment: dict[str, str | None]) -> None:
        node = self._node.get("ports")
        for inside, here in self._moved.items():
            process.changed("ports", f"it listens on {here}: another service has {inside}", self._node)
        for item, words in port_notes(node, self._files.filled):
            process.todo("ports", words, item)
        if not self._published:
            return
        listening = self.listening()
        outside, inside = self._published[0]
        if environment.get("PORT", str(listening[inside])) == str(listening[inside]):
            environment.pop("PORT", None)
            process.set("port", listening[inside])
        for outside, inside in self._published:
            if listening[inside] != outside:
                process.todo("ports", f"it listens on {inside} here, where {outside} was published", node)

    def _places(self, process: ProcessDraft) -> None:
        given = text(self._node.get("working_dir"))
        dockerfile = None if self._image.is_known else self._image.dockerfile
        inside = given or (dockerfile.workdir if dockerfile is not None else None)
        if inside is None:
            return
        outside = self.paths.outside(inside)
        if outside is None and self._image.is_built:
            outside = posixpath.normpath(self._image.context)
        if outside is not None and outside != ".":
            process.set("workdir", outside)
            self.paths.base = outside
        elif outside is None and given is not None:
            process.todo("working_dir", f"`{given}` is a folder of the image", self._node.get("working_dir"))

    def _env_files(self) -> Iterator[tuple[str, Node]]:
        """Yield the path of each file of variables, and its entry."""
        node = self._node.get("env_file")
        for item in node.items if isinstance(node, Sequence) else [node]:
            place = item if text(item) is not None else get(item, "path")
            if item is not None and place is not None:
                yield project_path(place), item

    def _env_file(self, process: ProcessDraft) -> None:
        files: list[Any] = []
        for path, item in self._env_files():
            required = get(item, "required") is None or is_true(get(item, "required"))
            files.append(path if required else {"path": path, "required": False})
        process.set("env_file", files[0] if len(files) == 1 else files)

    def _variables_of_files(self, process: ProcessDraft) -> dict[str, str]:
        """Return the variables of files for a server whose command is made from them."""
        found: dict[str, str] = {}
        for path, item in self._env_files() if daemons.makes_users(self._image.name or "") else ():
            if self._files.has(path):
                found.update({name: escaped(value) for name, value in self._files.variables(path).items()})
            else:
                words = f"`{path}` cannot be read: the users and databases that it names are not created"
                process.todo("env_file", f"{words}; write it, and convert again", item)
        return found

    def _health(self, process: ProcessDraft, hosts: dict[str, dict[int, int]]) -> None:
        node = self._node.get("healthcheck")
        if not isinstance(node, Mapping):
            return
        command = health.test_command(node.get("test"))
        if is_true(node.get("disable")) or (node.get("test") is not None and command is None):
            process.keys.pop("health_check", None)
            return
        timing = health.timing(node)
        if command is not None and "health_check" not in process.keys:
            command = [optional(word) for word in command] if isinstance(command, list) else optional(command)
            command = command_with_local_hosts(command, hosts)
            process.set("health_check", {**health.check_of(command, self.listening()), **timing})
        elif "health_check" in process.keys:
            # A server that has to create its data first may need longer than its image, which brings them along.
            known = process.keys["health_check"]
            delays = [check["initial_delay"] for check in (known, timing) if "initial_delay" in check]
            longest = {"initial_delay": max(delays, key=parse_duration)} if delays else {}
            process.keys["health_check"] = {**known, **timing, **longest}

    def _restart(self, process: ProcessDraft) -> None:
        node = self._node.get("restart")
        word = text(node) or text(get(self._node, "deploy", "restart_policy", "condition"))
        if process.keys.get("restart") == "never":
            return
        policy, _, count = (word or "no").partition(":")
        match policy:
            case "always" | "unless-stopped" | "any":
                process.set("restart", "always")
            case "on-failure" if whole(count) is not None:
                process.set("restart", {"policy": "on_failure", "max_restarts": whole(count)})
            case "on-failure":
                process.set("restart", "on_failure")
            case _:
                process.set("restart", "never")

    def _dependencies(self, process: ProcessDraft, services: dict[str, Service]) -> None:
        links = (link.partition(":")[0] for link in strings(self._node.get("links")))
        needs: dict[str, Any] = dict.fromkeys(links, "started")
        node = self._node.get("depends_on")
        if isinstance(node, Mapping):
            for name, value in entries(node):
                needs[name] = _need(value)
        else:
            needs.update(dict.fromkeys(strings(node), "started"))
        for name in needs:
            if name not in services:
                process.todo(
                    "depends_on", f"`{name}` is not a service of this file, and is left out", node or self._node
                )
        found = {services[name].name: need for name, need in needs.items() if name in services}
        process.set("depends_on", found)

    def _convert_remaining(self, process: ProcessDraft) -> None:
        node = self._node
        user = text(node.get("user"))
        if user is not None and not self._image.is_known:
            process.todo(
                "user",
                f"`{user}` is a user of the image; set `user` if the process needs another one",
                node.get("user"),
            )
        stop: dict[str, Any] = {}
        if (signal := text(node.get("stop_signal"))) is not None:
            if re.fullmatch(r"(SIG)?[A-Z]+\d?|\d{1,2}", signal):
                stop["signal"] = signal
            else:
                process.todo("stop_signal", f"`{signal}` is not a signal", node.get("stop_signal"))
        if (grace := health.duration(text(node.get("stop_grace_period")))) is not None:
            stop["grace"] = grace
        process.set("stop", stop)
        replicas = number(get(node, "deploy", "replicas")) or number(node.get("scale"))
        process.set("replicas", int(replicas) if replicas is not None and replicas != 1 else None)
        if "replicas" in process.keys and self.listening():
            words = "replicas cannot share a port here: `port` gives each its own, in the variable PORT"
            process.todo("replicas", words, get(node, "deploy", "replicas") or node.get("scale"))
        process.set("profiles", list(plain_names(strings(node.get("profiles"))).values()))
        process.set("labels", {name: value or "" for name, value in pairs(node.get("labels")).items()})
        process.set("tty", is_true(node.get("tty")) or None)
        process.set("stdin", "pipe" if is_true(node.get("stdin_open")) else None)


def _source(place: Node, path: str) -> str:
    """Return the project's path of a mount in its short form."""
    return project_path(Scalar(place.document, place.line, place.column, path, path))


def _copied_to(source: str, target: str) -> str:
    """Return where COPY puts a source: a file goes into a target that is a folder, a folder's contents become it."""
    name = posixpath.basename(source.rstrip("/"))
    is_file = "." in name.strip(".")
    return posixpath.join(target, name) if is_file and (target.endswith(("/", "/.")) or "." not in target) else target


def _need(value: Node) -> Any:
    condition = _CONDITIONS.get(text(get(value, "condition")) or "", "started")
    need: dict[str, Any] = {"condition": condition}
    if is_true(get(value, "restart")):
        need["restart"] = True
    if text(get(value, "required")) is not None and not is_true(get(value, "required")):
        need["required"] = False
    return need if len(need) > 1 else condition
