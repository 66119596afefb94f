"""The validated file and what stands around it (environment, command line) -> the project."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from sbxcompose.errors import UnknownName
from sbxcompose.similar import did_you_mean
from sbxcompose.spec import build
from sbxcompose.spec.connections import ConnectionNames
from sbxcompose.spec.connectors import with_connectors
from sbxcompose.spec.digest import digest, process_digest
from sbxcompose.spec.extends import MAIN
from sbxcompose.spec.fields import COPY
from sbxcompose.spec.files import ProjectReader
from sbxcompose.spec.locations import Places
from sbxcompose.spec.models import ProjectModel, SandboxModel
from sbxcompose.spec.naming import active_profiles, forced_provider, project_name, provider_of, sandbox_name
from sbxcompose.spec.needs import Address, Needs, ProcessEntry, wanted_of
from sbxcompose.spec.ports import own_ports
from sbxcompose.spec.process_models import ProcessModel
from sbxcompose.spec.procfile import first_port, replica_ports
from sbxcompose.spec.project import (
    Condition,
    Dependency,
    Pairs,
    Process,
    Project,
    Restart,
    RestartPolicy,
    Sandbox,
)
from sbxcompose.spec.project_checks import ProjectChecks
from sbxcompose.spec.scale import Scale
from sbxcompose.spec.values import InterpolatedValue, Path
from sbxcompose.spec.variables import MaskedNames, Variables, pairs_of


class Assembler:
    """Makes the project of one validated file.

    Mistakes go to the reader's, and then the result is of no use.
    """

    def __init__(
        self, reader: ProjectReader, model: ProjectModel, places: Places, uses: list[InterpolatedValue], directory: str
    ) -> None:
        self._reader = reader
        self._model = model
        self._places = places
        self._directory = directory
        self._secrets = MaskedNames(uses)
        self._variables = Variables(reader, places)
        self._profiles = active_profiles(reader.request, reader.variable, model)
        self._sandboxes = self._all_sandboxes()
        self._entries = self._all_entries()
        self._by_sandbox: dict[str, dict[str, ProcessEntry]] = {}
        for (holder, name), entry in self._entries.items():
            self._by_sandbox.setdefault(holder, {})[name] = entry
        self._scale = Scale({}, ())
        self._wanted: set[Address] = set()

    def assemble(self) -> Project:
        """Return the project. Raises `UsageError` for what the command line has wrong."""
        request, variable = self._reader.request, self._reader.variable
        needs = Needs(self._entries, self._places, self._reader.mistakes_of_names).resolve()
        self._scale = Scale(request.scale, self._entries)
        self._wanted = wanted_of(self._entries, needs, self._scale.named)
        unknown_profiles = self._check_profiles()
        provider = provider_of(request, variable, self._model)
        name = project_name(request, variable, self._model, self._directory)
        base = self._base_environment()
        sandboxes, inactive, one_off = [], [], None
        ports = self._ports()
        forced = forced_provider(request, variable)
        checks = ProjectChecks(self._model, self._sandboxes, self._entries, self._places, self._reader.mistakes)
        connections = ConnectionNames(self._sandboxes, self._entries, self._places, self._reader.mistakes_of_names)
        for key, (model, _) in self._sandboxes.items():
            checks.provider(key, forced or model.provider or provider)
            maker = _SandboxMaker(self, key, base, needs, ports)
            wanted, other = maker.processes()
            own, connect = None if forced else model.provider, connections.of(key, model)
            sandboxes.append(replace(maker.sandbox(name, tuple(wanted)), provider=own, connect=connect))
            inactive.extend(other)
            if self._reader.procfile and key == MAIN:
                one_off = maker.one_off(wanted)
        checks.names(sandboxes)
        checks.ports(sandboxes)
        checks.secrets(self._secrets)
        project = Project(
            name=name,
            directory=self._directory,
            provider=provider,
            sandboxes=tuple(sandboxes),
            files=tuple(self._reader.files),
            disabled=tuple(process.address for process in inactive),
            inactive=tuple(inactive),
            one_off=one_off,
            unknown_profiles=unknown_profiles,
        )
        connections.check(project)
        return with_connectors(project, sandbox_name)

    def _all_sandboxes(self) -> dict[str, tuple[SandboxModel, Path]]:
        found: dict[str, tuple[SandboxModel, Path]] = {
            name: (model, ("sandboxes", name)) for name, model in self._model.sandboxes.items()
        }
        if self._model.processes and found.get(MAIN, (SandboxModel(), ()))[0].processes:
            message = f"`processes` at the top means those of the sandbox `{MAIN}`, which has some of its own"
            self._wrong(("processes",), message, "move them together")
        if self._model.processes and MAIN not in found:
            found[MAIN] = (SandboxModel(), ("sandboxes", MAIN))
        if not found and not self._reader.procfile and not self._reader.lacks_names:
            self._wrong((), "the file defines neither `sandboxes` nor `processes`", None)
        elif not found and not self._reader.mistakes:
            self._wrong((), "the file defines no process", "each line of a Procfile is `name: command`")
        return found

    def _all_entries(self) -> dict[Address, ProcessEntry]:
        entries: dict[Address, ProcessEntry] = {}
        for sandbox, (model, path) in self._sandboxes.items():
            levels = [(model.processes, (*path, "processes"))]
            if sandbox == MAIN:
                levels.append((self._model.processes, ("processes",)))
            for processes, above in levels:
                for name, process in processes.items():
                    entries[sandbox, name] = ProcessEntry(process, (*above, name), self._is_active(process))
        return entries

    def _is_active(self, process: ProcessModel) -> bool:
        wanted = self._profiles
        return not process.profiles or "*" in wanted or not wanted.isdisjoint(process.profiles)

    def _check_profiles(self) -> tuple[str, ...]:
        """Return the active profiles that no process has; raises `UnknownName` for those of the command line.

        `SBXCOMPOSE_PROFILES` may be meant for other projects, too.
        """
        known = {"*"}.union(*(entry.model.profiles for entry in self._entries.values()))
        names = sorted(known - {"*"})
        for name in self._reader.request.profiles:
            if name not in known:
                raise UnknownName("profile", name, names, hint=None if names else "the file has no profiles")
        for place, name in enumerate(self._model.profiles):
            if name not in known and not self._reader.lacks_names:
                hint = did_you_mean(name, names, "list it in the `profiles` of a process, or leave it out here")
                self._wrong(("profiles", place), f"no process has the profile `{name}`", hint)
        return tuple(sorted(self._profiles - known))

    def replicas(self, address: Address) -> int:
        """Return how many of a process are wanted."""
        return self._scale.replicas.get(address, self._entries[address].model.replicas)

    def is_wanted(self, address: Address) -> bool:
        """Return whether it runs without being named."""
        return address in self._wanted

    def written(self, sandbox: str) -> tuple[SandboxModel, Path]:
        """Return what the file has of a sandbox, and at which place."""
        return self._sandboxes[sandbox]

    def entries_of(self, sandbox: str) -> dict[str, ProcessEntry]:
        """Return the processes of a sandbox, active or not, in file order."""
        return self._by_sandbox.get(sandbox, {})

    def _base_environment(self) -> dict[str, str]:
        # Procfile tools hand `.env` to the processes; a file of our own only uses it for `${VAR}`.
        below: dict[str, str] = {}
        if self._reader.procfile:
            below = {name: self._reader.variable(name) or "" for name in self._reader.dotenv if name != "PORT"}
        return self._variables.layer(below, self._model, ())

    def _ports(self) -> dict[str, tuple[Pairs, ...]]:
        """PORT for the processes of a Procfile, by their place among the lines."""
        if not self._reader.procfile:
            return {}
        first = first_port(self._reader.sources.variable("PORT"), self._reader.dotenv.get("PORT"))
        ports: dict[str, tuple[Pairs, ...]] = {}
        for index, name in enumerate(self._model.processes):
            numbers = replica_ports(index, self.replicas((MAIN, name)), first)
            ports[name] = tuple((("PORT", str(number)),) for number in numbers)
        return ports

    def _wrong(self, path: Path, message: str, hint: str | None) -> None:
        self._reader.mistakes.append(self._places.mistake(path, message, hint, on_key=True))

    @property
    def root(self) -> ProjectModel:
        """The whole file."""
        return self._model

    @property
    def variables(self) -> Variables:
        """Reads the variables of each level."""
        return self._variables

    @property
    def secrets(self) -> MaskedNames:
        """Which of them are secret."""
        return self._secrets


class _SandboxMaker:
    """Makes one sandbox and its processes."""

    def __init__(
        self,
        whole: Assembler,
        name: str,
        base: dict[str, str],
        needs: Mapping[Address, tuple[Dependency, ...]],
        ports: Mapping[str, tuple[Pairs, ...]],
    ) -> None:
        self._whole = whole
        self._name = name
        self._model, self._path = whole.written(name)
        self._needs = needs
        self._ports = ports
        self._values = whole.variables.layer(base, self._model, self._path)
        self._env = pairs_of(self._values)
        self._workspace = build.workspace_of(self._model)

    def sandbox(self, project: str, processes: tuple[Process, ...]) -> Sandbox:
        """Return the sandbox with these processes."""
        model = self._model
        return Sandbox(
            name=self._name,
            full_name=model.name or sandbox_name(project, self._name),
            processes=processes,
            workspace=self._workspace,
            image=model.image,
            snapshot=model.snapshot,
            resources=build.resources_of(model.resources),
            timeout=None if model.timeout is None else int(model.timeout),
            network=build.network_of(model.network),
            ports=model.ports,
            file_systems=build.file_systems_of(model),
            files=build.files_of(model),
            setup_cache=model.setup_cache,
            copied=model.workspace == COPY,
            isolation=model.isolation,
            mounts=build.mounts_of(model),
        )

    def processes(self) -> tuple[list[Process], list[Process]]:
        """Return the wanted ones, the setup commands before them; and the others."""
        wanted = self._setup()
        first = tuple(Dependency(self._name, process.name, Condition.COMPLETED) for process in wanted[-1:])
        inactive: list[Process] = []
        for name, entry in self._whole.entries_of(self._name).items():
            process = self._process(name, entry, first)
            (wanted if self._whole.is_wanted((self._name, name)) else inactive).append(process)
        return wanted, inactive

    def one_off(self, wanted: list[Process]) -> Process:
        """Return what runs a command that is not a process, with the variables of all processes and after the setup."""
        setup = [process.name for process in wanted if process.name.startswith("@")]
        return Process(
            sandbox=self._name,
            name="run",
            command=("true",),
            digest="",
            env=self._env,
            restart=Restart(RestartPolicy.NEVER),
            depends_on=tuple(Dependency(self._name, name, Condition.COMPLETED) for name in setup[-1:]),
            inherit_env=self._inherit(None),
            secrets=self._secret_names((), ()),
        )

    def _setup(self) -> list[Process]:
        made: list[Process] = []
        restart = Restart(RestartPolicy.NEVER)
        for number, command in enumerate(self._model.setup, 1):
            before = made[-1] if made else None
            after = () if before is None else (Dependency(self._name, before.name, Condition.COMPLETED),)
            step = Process(
                sandbox=self._name,
                name=f"@setup{number}",
                command=command,
                digest="",
                env=self._env,
                restart=restart,
                depends_on=after,
                inherit_env=self._inherit(None),
                secrets=self._secret_names((), ()),
            )
            made.append(replace(step, digest=digest(step, after="" if before is None else before.digest)))
        return made

    def _process(self, name: str, entry: ProcessEntry, first: tuple[Dependency, ...]) -> Process:
        model = entry.model
        values = self._whole.variables.layer(self._values, model, entry.path)
        ports = () if "PORT" in model.env else self._ports.get(name, ())
        replicas = self._whole.replicas((self._name, name))
        if model.port is not None:
            ports = own_ports(model.port, replicas)
        process = Process(
            sandbox=self._name,
            name=name,
            digest="",
            env=self._env if values is self._values else pairs_of(values),
            workdir=build.workdir_of(model.workdir, self._workspace),
            depends_on=first + self._needs[self._name, name],
            replicas=replicas,
            replica_env=ports,
            inherit_env=self._inherit(model.inherit_env),
            secrets=self._secret_names(model.secrets, entry.path),
            **build.own_keys(model),
        )
        return replace(process, digest=process_digest(process))

    def _inherit(self, own: bool | tuple[str, ...] | None) -> bool | tuple[str, ...]:
        for choice in (own, self._model.inherit_env, self._whole.root.inherit_env):
            if choice is not None:
                return choice
        return self._model.isolation == "none"  # a wall that lets the caller's keys and tokens through is none

    def _secret_names(self, own: tuple[str, ...], path: Path) -> tuple[str, ...]:
        names = (*self._whole.root.secrets, *self._model.secrets, *own)
        return self._whole.secrets.at(tuple(dict.fromkeys(names)), (), self._path, path)
