"""One service of a Compose file -> one process; pure."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from sbxcompose.convert import daemons, health
from sbxcompose.convert.compose_notes import add_notes
from sbxcompose.convert.dockerfile import Image, parse_dockerfile
from sbxcompose.convert.draft import ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.hosts import with_local_hosts
from sbxcompose.convert.paths import Paths
from sbxcompose.convert.ports import published_ports
from sbxcompose.convert.values import entries, get, is_true, number, optional, pairs, strings, text
from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence

_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "ready",
    "service_completed_successfully": "completed",
}
FoundFiles = dict[str, dict[str, str]]
"""`secrets` and `configs` of the file: name -> path in the project."""
_SHELL_SIGNS = re.compile(r"[;&|<>*?()`~#]|\$\(|\$\$")


class Service:
    """A service, and what has to be known of it before the others can be converted."""

    def __init__(self, name: str, node: Mapping, read: Callable[[str], str | None]) -> None:
        self.name = name
        self._node = node
        self._read = read
        self.paths = Paths()
        self._image: Image | None = None
        self._context = "."

    def extend(self, services: dict[str, Service], files: FoundFiles) -> None:
        """Take what it does not say from the service of the same file that it extends, then read its Dockerfile."""
        base = self._node.get("extends")
        other = services.get(text(base) or text(get(base, "service")) or "")
        if other is not None and other is not self and get(base, "file") is None:
            merged = {**other._node.entries, **self._node.entries}
            self._node = Mapping(self._node.document, self._node.line, self._node.column, merged)
        self._read_build()
        for inside, outside in (*self._binds(), *self._secret_files(files)):
            self.paths.mount(inside, outside)
        if self._image is not None:
            for source, target in self._image.copies:
                if "*" not in source:
                    inside = posixpath.join(self._image.workdir, target)
                    self.paths.mount(_copied_to(source, inside), posixpath.join(self._context, source))

    def _read_build(self) -> None:
        build = self._node.get("build")
        if build is None:
            return
        self._context = text(build) or text(get(build, "context")) or "."
        file = text(get(build, "dockerfile")) or "Dockerfile"
        found = text(get(build, "dockerfile_inline")) or self._read(posixpath.join(self._context, file))
        if found is not None:
            self._image = parse_dockerfile(found, text(get(build, "target")))

    def _binds(self) -> Iterator[tuple[str, str]]:
        """Yield bind mounts: path in the container, path in the project."""
        volumes = self._node.get("volumes")
        for item in volumes.items if isinstance(volumes, Sequence) else []:
            if isinstance(item, Scalar):
                parts = re.split(r":(?!-)", item.text)
                if len(parts) >= 2 and parts[0].startswith((".", "/", "~", "${PWD}", "$PWD")):
                    yield parts[1], re.sub(r"^\$\{?PWD\}?", ".", parts[0])
            elif text(get(item, "type")) == "bind":
                yield text(get(item, "target")) or "/", text(get(item, "source")) or "."

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
        return [self.name, *strings(self._node.get("container_name")), *strings(self._node.get("hostname")), *aliases]

    def published(self) -> list[tuple[int, int]]:
        """Return ports as (on this machine, in the container)."""
        return published_ports(self._node.get("ports"))

    def listening(self) -> dict[int, int]:
        """Map ports in the container to those on this machine, as far as the process can be told."""
        known = daemons.default_port(self._image_name() or "")
        environment = pairs(self._node.get("environment"))
        movable = {known} if known is not None else set()
        if (environment.get("PORT") or "").isdecimal():
            movable.add(int(environment["PORT"] or 0))
        return {inside: outside if inside in movable else inside for outside, inside in self.published()}

    def _image_name(self) -> str | None:
        return text(self._node.get("image")) if self._node.get("build") is None else None

    # -- conversion ----------------------------------------------------------------------------------------

    def convert(self, draft: ProjectDraft, services: dict[str, Service], hosts: dict[str, dict[int, int]]) -> None:
        """Add the process to the draft."""
        process = draft.process(self.name)
        self._places(process)
        environment = self._environment(process, hosts)
        self._command(process, environment)
        self._port(process, environment)
        process.set("env", environment)
        self._env_file(process)
        self._health(process)
        self._restart(process)
        self._dependencies(process, services)
        self._rest(process)
        add_notes(process, self._node, daemon=daemons.is_known(self._image_name()))
        for step in self._image.setup if self._image is not None and self._node.get("build") is not None else []:
            process.todo("build", f"run `{step}` once, as its Dockerfile does", self._node.get("build"))

    def _environment(self, process: ProcessDraft, hosts: dict[str, dict[int, int]]) -> dict[str, str | None]:
        given = dict(self._image.env) if self._image is not None and self._node.get("build") is not None else {}
        environment: dict[str, str | None] = {
            name: optional(self.paths.rewrite(value)) for name, value in given.items() if self._is_portable(name, value)
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
        port = environment.get("PORT")
        if port is not None and port.isdecimal() and (moved := self.listening().get(int(port))) is not None:
            environment["PORT"] = str(moved)
        return environment

    def _is_portable(self, name: str, value: str) -> bool:
        """Return whether a variable of an image means something on this machine."""
        if name in ("PATH", "HOME", "DEBIAN_FRONTEND", "PIP_NO_CACHE_DIR"):
            return False
        return not value.startswith("/") or self.paths.outside(value) is not None

    def _command(self, process: ProcessDraft, environment: dict[str, str | None]) -> None:
        image = self._image_name()
        if image is not None and (daemon := self._daemon(image, environment)) is not None:
            process.set("command", daemon.command)
            process.changed(
                "image",
                f"`{daemon.program}` must be installed; its data is in data/{self.name}",
                self._node.get("image"),
            )
            if daemon.note:
                process.todo("image", daemon.note, self._node.get("image"))
            if self._node.get("healthcheck") is None or daemon.health_check is not None:
                process.set("health_check", daemon.health_check)
            return
        command = self._own_command()
        if command is None:
            reason = f"what image {image} runs" if image else "what its image runs"
            process.set("command", placeholder(self.name, reason))
            process.set("restart", "never")
            process.todo("command", f"write {reason}", self._node)
            return
        process.set("command", command)
        if image is not None:
            process.todo("image", f"`{image}` is not pulled: its program must be installed", self._node.get("image"))

    def _daemon(self, image: str, environment: dict[str, str | None]) -> daemons.Daemon | None:
        port = daemons.default_port(image) or 0
        published = {inside: outside for outside, inside in self.published()}
        arguments = _split(self._node.get("command")) or []
        if arguments[:1] in (["sh"], ["bash"], ["/bin/sh"], ["/bin/bash"]):
            return None
        listening = published.get(port, port)
        request = daemons.Request(self.name, f"data/{self.name}", listening, environment, arguments, self.paths.files)
        return daemons.command_of(request, image)

    def _own_command(self) -> str | list[str] | None:
        """Return the command of the service or of its Dockerfile, for this machine."""
        entrypoint, command = self._node.get("entrypoint"), self._node.get("command")
        if entrypoint is None and command is None:
            run = self._image.run() if self._image is not None else None
            if run is None:
                return None
            if isinstance(run, str):
                return self.paths.rewrite(run.replace("$", "$$"))
            return [self.paths.rewrite(word.replace("$", "$$")) for word in run]
        if isinstance(command, Scalar) and entrypoint is None:
            return self._text(command.text)
        words = [*(_split(entrypoint) or []), *(_split(command) or [])]
        if entrypoint is None and self._image is not None and isinstance(self._image.entrypoint, list):
            words = [*self._image.entrypoint, *words]
        return [self.paths.rewrite(optional(word)) for word in words]

    def _text(self, command: str) -> str | list[str]:
        """Return a text command: Compose splits it without a shell, so shell signs in it mean nothing there."""
        written = self.paths.rewrite(optional(command.strip()))
        if _SHELL_SIGNS.search(re.sub(r"\$\{[^}]*\}", "", written)):
            try:
                return shlex.split(written)
            except ValueError:
                return written
        return written

    def _port(self, process: ProcessDraft, environment: dict[str, str | None]) -> None:
        published = self.published()
        if not published:
            return
        node = self._node.get("ports")
        listening = self.listening()
        outside, inside = published[0]
        if environment.get("PORT", str(listening[inside])) == str(listening[inside]):
            environment.pop("PORT", None)
            process.set("port", listening[inside])
        for outside, inside in published:
            if listening[inside] != outside:
                process.todo("ports", f"it listens on {inside} here, where {outside} was published", node)

    def _places(self, process: ProcessDraft) -> None:
        given = text(self._node.get("working_dir"))
        inside = given or (self._image.workdir if self._image is not None else None)
        if inside is None:
            return
        outside = self.paths.outside(inside)
        if outside is None and self._node.get("build") is not None:
            outside = posixpath.normpath(self._context)
        if outside is not None and outside != ".":
            process.set("workdir", outside)
            self.paths.base = outside
        elif outside is None and given is not None:
            process.todo("working_dir", f"`{given}` is a folder of the image", self._node.get("working_dir"))

    def _env_file(self, process: ProcessDraft) -> None:
        node = self._node.get("env_file")
        if node is None:
            return
        files: list[Any] = []
        for item in node.items if isinstance(node, Sequence) else [node]:
            path = text(item) or text(get(item, "path"))
            if path is not None:
                required = get(item, "required") is None or is_true(get(item, "required"))
                files.append(path if required else {"path": path, "required": False})
        process.set("env_file", files[0] if len(files) == 1 else files)

    def _health(self, process: ProcessDraft) -> None:
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
            process.set("health_check", {**health.check_of(command, self.listening()), **timing})
        elif "health_check" in process.keys:
            process.keys["health_check"] = {**process.keys["health_check"], **timing}

    def _restart(self, process: ProcessDraft) -> None:
        node = self._node.get("restart")
        word = text(node) or text(get(self._node, "deploy", "restart_policy", "condition"))
        if process.keys.get("restart") == "never":
            return
        policy, _, count = (word or "no").partition(":")
        match policy:
            case "always" | "unless-stopped" | "any":
                process.set("restart", "always")
            case "on-failure" if count.isdecimal():
                process.set("restart", {"policy": "on_failure", "max_restarts": int(count)})
            case "on-failure":
                process.set("restart", "on_failure")
            case _:
                process.set("restart", "never")

    def _dependencies(self, process: ProcessDraft, services: dict[str, Service]) -> None:
        needs: dict[str, Any] = {name: "started" for name in strings(self._node.get("links")) if name in services}
        node = self._node.get("depends_on")
        if isinstance(node, Mapping):
            for name, value in entries(node):
                needs[name] = _need(value)
        else:
            needs.update(dict.fromkeys(strings(node), "started"))
        process.set("depends_on", {name: need for name, need in needs.items() if name in services})

    def _rest(self, process: ProcessDraft) -> None:
        node = self._node
        user = text(node.get("user"))
        if user is not None and not daemons.is_known(self._image_name()):
            process.todo(
                "user",
                f"`{user}` is a user of the image; set `user` if the process needs another one",
                node.get("user"),
            )
        stop: dict[str, Any] = {}
        if (signal := text(node.get("stop_signal"))) is not None:
            stop["signal"] = signal
        if (grace := health.duration(text(node.get("stop_grace_period")))) is not None:
            stop["grace"] = grace
        process.set("stop", stop)
        replicas = number(get(node, "deploy", "replicas")) or number(node.get("scale"))
        process.set("replicas", int(replicas) if replicas is not None and replicas != 1 else None)
        process.set("profiles", strings(node.get("profiles")))
        process.set("labels", {name: value or "" for name, value in pairs(node.get("labels")).items()})
        process.set("tty", is_true(node.get("tty")) or None)
        process.set("stdin", "pipe" if is_true(node.get("stdin_open")) else None)


def _split(node: Node | None) -> list[str] | None:
    if isinstance(node, Scalar):
        try:
            return shlex.split(node.text)
        except ValueError:
            return [node.text]
    return strings(node) if isinstance(node, Sequence) else None


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
