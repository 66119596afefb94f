"""What pyproject.toml and requirements.txt tell: scripts, dependencies, and the tool that runs commands; pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from sbxcompose.convert.long_running import is_plain, long_running
from sbxcompose.convert.repository_files import FoundProcess, Manifests, RepositoryFiles, table
from sbxcompose.convert.values import plain_name

_LOCKS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm"}
_TOOLS = ("uv", "poetry", "pdm", "rye", "hatch")
_ENVIRONMENTS = (".venv", "venv", "env")


class PythonScript(Struct, frozen=True):
    """A script that pyproject.toml declares."""

    command: str
    table: str
    definition: Any


class PythonProject(Struct, frozen=True):
    """What is declared about a Python project; everything empty without a pyproject.toml."""

    name: str
    tool: str
    """The tool that runs commands in the project's environment; empty without one."""
    environment: str
    """The folder of a virtual environment in the project, for a project without such a tool; empty without one."""
    dependencies: frozenset[str]
    """Normalized names, those of optional groups among them."""
    scripts: dict[str, PythonScript]

    def run(self, command: str, workdir: str = "") -> str:
        """Return a command of the project's environment as it is written in a folder of the project."""
        return f"{_prefix(self.tool, self.environment, workdir)}{command}"


def _prefix(tool: str, environment: str, workdir: str = "") -> str:
    if tool:
        return f"{tool} run "
    return f"{posixpath.relpath(f'{environment}/bin', workdir or '.')}/" if environment else ""


def read_python_project(manifests: Manifests) -> PythonProject:
    """Return what the manifests in the repository's root declare."""
    manifest = manifests.toml("pyproject.toml") or {}
    tool = _tool(manifests.files, manifest)
    environment = "" if tool else _environment(manifests.files)
    name = table(manifest, "project").get("name") or table(manifest, "tool", "poetry").get("name")
    scripts: dict[str, PythonScript] = {}
    for script, declared in _scripts(manifest, tool, environment):
        if is_plain(script):
            scripts.setdefault(script, declared)
    dependencies = frozenset(_dependencies(manifest, manifests.files.read("requirements.txt") or ""))
    return PythonProject(name if isinstance(name, str) else "", tool, environment, dependencies, scripts)


def _tool(files: RepositoryFiles, manifest: dict[str, Any]) -> str:
    locked = (tool for lock, tool in _LOCKS.items() if files.has(lock))
    configured = (tool for tool in _TOOLS if tool in table(manifest, "tool"))
    return next(locked, None) or next(configured, None) or ""


def _environment(files: RepositoryFiles) -> str:
    """Return the folder of the virtual environment. Who runs `sbxcompose` has not always activated it."""
    return next((folder for folder in _ENVIRONMENTS if files.read(f"{folder}/pyvenv.cfg") is not None), "")


def _scripts(manifest: dict[str, Any], tool: str, environment: str) -> Iterator[tuple[str, PythonScript]]:
    """Yield tasks, which are made for development, before the programs that a package installs."""
    run = _prefix(tool, environment)
    tables = {"tool.poe.tasks": f"{run}poe ", "tool.pdm.scripts": "pdm run ", "tool.rye.scripts": "rye run "}
    for environment in table(manifest, "tool", "hatch", "envs"):
        if is_plain(environment):
            prefix = "" if environment == "default" else f"{environment}:"
            tables[f"tool.hatch.envs.{environment}.scripts"] = f"hatch run {prefix}"
    tables |= {"project.scripts": run, "tool.poetry.scripts": run or "poetry run "}
    for path, prefix in tables.items():
        for script, definition in table(manifest, *path.split(".")).items():
            yield script, PythonScript(f"{prefix}{script}", path, definition)


def _dependencies(manifest: dict[str, Any], requirements: str) -> Iterator[str]:
    project, poetry = table(manifest, "project"), table(manifest, "tool", "poetry")
    groups = [table(project, "optional-dependencies"), table(manifest, "dependency-groups")]
    groups += [table(manifest, "tool", "pdm", "dev-dependencies")]
    lists = [project.get("dependencies"), *(value for group in groups for value in group.values())]
    lists += [table(manifest, "tool", tool).get("dev-dependencies") for tool in ("uv", "rye")]
    lines = [line for found in lists if isinstance(found, list) for line in found if isinstance(line, str)]
    tables = [table(poetry, "dependencies"), table(poetry, "dev-dependencies")]
    tables += [table(group, "dependencies") for group in table(poetry, "group").values()]
    for line in (*lines, *(name for found in tables for name in found), *requirements.splitlines()):
        name = re.match(r"\s*([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?", line)
        if name is not None:
            yield re.sub(r"[._-]+", "-", name[1]).lower()
            if name[1].lower() == "fastapi" and re.search(r"standard|all", name[2] or ""):
                yield "uvicorn"


def script_processes(project: PythonProject) -> Iterator[FoundProcess]:
    """Yield what the scripts start, then the others: those that do the same, and programs of the package."""
    scripts, prefix = project.scripts, f"{project.name}-"
    # A program of a package often begins with its name: `shop-server`.
    full = {name.removeprefix(prefix) if name.removeprefix(prefix) not in scripts else name: name for name in scripts}
    chosen, others = long_running({short: scripts[name].definition for short, name in full.items()})
    for role, short in chosen.items():
        yield _found(role or plain_name(project.name or "app"), full[short], scripts[full[short]])
    for short, name in full.items():
        installed = scripts[name].table in ("project.scripts", "tool.poetry.scripts")
        if short in others or (installed and short not in chosen.values()):
            yield _found(short, name, scripts[name], proposed=False)


def _found(process: str, name: str, script: PythonScript, *, proposed: bool = True) -> FoundProcess:
    because = f"`{name}` in [{script.table}] of pyproject.toml"
    return FoundProcess(process, script.command, because, {"restart": "never"}, proposed=proposed)
