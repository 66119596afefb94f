"""What cannot be checked before the whole project is there: names, ports, providers and secrets."""

from __future__ import annotations

from collections.abc import Mapping

from sbxcompose.errors import Mistake
from sbxcompose.spec.extends import MAIN
from sbxcompose.spec.fields import full_name_problem
from sbxcompose.spec.locations import Places
from sbxcompose.spec.models import ProjectModel, SandboxModel
from sbxcompose.spec.needs import Address, ProcessEntry
from sbxcompose.spec.ports import wrong_ports
from sbxcompose.spec.project import Sandbox
from sbxcompose.spec.values import Path
from sbxcompose.spec.variables import MaskedNames


class ProjectChecks:
    """Checks of what the assembler has made of a file. Each adds what it finds to `mistakes`."""

    def __init__(
        self,
        model: ProjectModel,
        sandboxes: Mapping[str, tuple[SandboxModel, Path]],
        entries: Mapping[Address, ProcessEntry],
        places: Places,
        mistakes: list[Mistake],
    ) -> None:
        self._model = model
        self._sandboxes = sandboxes
        self._entries = entries
        self._places = places
        self._mistakes = mistakes

    def names(self, sandboxes: list[Sandbox]) -> None:
        """Check the names at the provider: their form, and that each is used once."""
        taken: dict[str, str] = {}
        for sandbox in sandboxes:
            path: Path = ("sandboxes", sandbox.name)
            if sandbox.name == MAIN and MAIN not in self._model.sandboxes:
                path = ("processes",)
            problem = full_name_problem(sandbox.full_name)
            if problem is not None:
                hint = f"{problem[1]}; give the sandbox a `name`, or the project a shorter one (`-p`)"
                self._wrong(path, f"at the provider, {problem[0]}", hint)
            if sandbox.full_name in taken:
                both = f"`{taken[sandbox.full_name]}` and `{sandbox.name}`"
                message = f"the sandboxes {both} would both be named `{sandbox.full_name}`"
                self._wrong(path, message, "give one of them a `name`")
            taken[sandbox.full_name] = sandbox.name

    def ports(self, sandboxes: list[Sandbox]) -> None:
        """Check the ports of processes and their replicas."""
        for sandbox in sandboxes:
            for process, message, hint in wrong_ports(sandbox.processes):
                self._wrong((*self._entries[process.sandbox, process.name].path, "port"), message, hint)

    def provider(self, sandbox: str, provider: str) -> None:
        """Check that a sandbox wants of its provider only what the contract can do."""
        own = [entry for (holder, _), entry in self._entries.items() if holder == sandbox]
        for entry in own if provider != "local" else ():
            check = entry.model.health_check
            if check is not None and check.exec is not None:
                message = f"the provider `{provider}` cannot run a command as a health check"
                hint = "use `http` or `tcp`; or, where only the start has to wait for it, `ready_when: {exec: ...}`"
                self._wrong((*entry.path, "health_check", "exec"), message, hint)

    def secrets(self, masked: MaskedNames) -> None:
        """Check that no value of a secret was put where every user of the machine sees it."""
        models = [self._model, *(model for model, _ in self._sandboxes.values())]
        names = {name for model in models for name in model.secrets}
        names.update(name for entry in self._entries.values() for name in entry.model.secrets)
        for use, name in masked.exposed(names):
            message = f"the secret `{name}` would be visible to every user here"
            hint = f"pass it in `env`; in a command write `$${name}`, which the shell replaces"
            self._mistakes.append(use.node.mistake(message, hint))

    def _wrong(self, path: Path, message: str, hint: str | None) -> None:
        self._mistakes.append(self._places.mistake(path, message, hint, on_key=True))
