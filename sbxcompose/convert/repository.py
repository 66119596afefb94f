"""What a repository can run -> a first project file; pure, apart from what `RepositoryFiles` returns."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.convert.values import escaped, plain_name


class RepositoryFiles(Struct, frozen=True):
    """A project's files: `read` returns a file's text, `names` the names in a folder; both by path in the project."""

    read: Callable[[str], str | None]
    names: Callable[[str], list[str]]

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        folder, name = posixpath.split(path)
        return name in self.names(folder or ".")


class FoundProcess(Struct, frozen=True):
    """A process that the repository can run, and where that is known from."""

    name: str
    command: str
    because: str
    keys: dict[str, Any] = {}


def inspect(files: RepositoryFiles) -> ProjectDraft:
    """Return a draft of what the repository can run; without processes if nothing tells."""
    draft = ProjectDraft()
    for found in (*_node(files), *_python(files), *_rust(files), *_go(files)):
        _add(draft, found)
    if not draft.processes:
        for found in _make(files):
            _add(draft, found)
    return draft


def _add(draft: ProjectDraft, found: FoundProcess) -> None:
    name = found.name
    while name in draft.processes:
        name = f"{name}-2"
    process = draft.process(name)
    process.set("command", escaped(found.command))
    for key, value in found.keys.items():
        process.set(key, value)
    draft.comments[name] = found.because


# -- JavaScript and TypeScript -----------------------------------------------------------------------------

_SCRIPTS = ("dev", "start:dev", "develop", "serve", "start")


def _node(files: RepositoryFiles) -> Iterator[FoundProcess]:
    package = _json(files, "package.json")
    if package is None:
        return
    manager = _manager(files, package)
    workspaces = list(_workspaces(files, package))
    for folder in workspaces:
        inner = _json(files, f"{folder}/package.json") or {}
        script = _script(inner)
        if script is not None:
            name = plain_name(str(inner.get("name") or folder).rpartition("/")[2])
            because = f"script `{script}` of {folder}/package.json"
            yield FoundProcess(name, f"{manager} run {script}", because, {"workdir": folder, "restart": "never"})
    script = _script(package)
    if script is not None and not workspaces:
        name = plain_name(str(package.get("name") or "web").rpartition("/")[2])
        yield FoundProcess(name, f"{manager} run {script}", f"script `{script}` of package.json", {"restart": "never"})


def _script(package: dict[str, Any]) -> str | None:
    scripts = package.get("scripts")
    return next((name for name in _SCRIPTS if isinstance(scripts, dict) and name in scripts), None)


def _manager(files: RepositoryFiles, package: dict[str, Any]) -> str:
    named = str(package.get("packageManager") or "").partition("@")[0]
    if named in ("npm", "pnpm", "yarn", "bun"):
        return named
    locks = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lockb": "bun", "bun.lock": "bun"}
    return next((manager for lock, manager in locks.items() if files.has(lock)), "npm")


def _workspaces(files: RepositoryFiles, package: dict[str, Any]) -> Iterator[str]:
    given = package.get("workspaces")
    patterns = given.get("packages", []) if isinstance(given, dict) else given if isinstance(given, list) else []
    pnpm = files.read("pnpm-workspace.yaml") or ""
    patterns = [*patterns, *re.findall(r"^\s*-\s*[\"']?([^\"'\s#!]+)", pnpm, re.MULTILINE)]
    for pattern in patterns:
        folder, star, _ = str(pattern).partition("/*")
        for found in [f"{folder}/{name}" for name in files.names(folder)] if star else [folder]:
            if files.has(f"{found}/package.json"):
                yield found


# -- Python ------------------------------------------------------------------------------------------------

_MODULES = (
    "main.py",
    "app.py",
    "app/main.py",
    "src/main.py",
    "src/app.py",
    "server.py",
    "api.py",
    "wsgi.py",
    "asgi.py",
)


def _python(files: RepositoryFiles) -> Iterator[FoundProcess]:
    run = _runner(files)
    if files.has("manage.py"):
        migrate = FoundProcess("migrate", f"{run}python manage.py migrate", "manage.py: Django", {"restart": "never"})
        yield migrate
        keys = {"port": 8000, "depends_on": {"migrate": "completed"}, "health_check": {"tcp": 8000}}
        yield FoundProcess("web", f"{run}python manage.py runserver $PORT", "manage.py: Django", keys)
        return
    for path in _MODULES:
        text = files.read(path)
        web = re.search(r"^(\w+)\s*(?::[^=]+)?=\s*(FastAPI|Starlette|Flask|Quart|Litestar)\(", text or "", re.MULTILINE)
        if web is None:
            continue
        module = path.removesuffix(".py").removeprefix("src/").replace("/", ".")
        port = 5000 if web[2] == "Flask" else 8000
        served = f"flask --app {module}:{web[1]} run --port $PORT"
        if web[2] != "Flask":
            served = f"uvicorn {module}:{web[1]} --port $PORT"
        keys = {"port": port, "health_check": {"tcp": port}}
        if path.startswith("src/"):
            keys["workdir"] = "src"
        yield FoundProcess("web", f"{run}{served}", f"{path}: {web[2]}", keys)
        return


def _runner(files: RepositoryFiles) -> str:
    for lock, runner in (("uv.lock", "uv run "), ("poetry.lock", "poetry run "), ("pdm.lock", "pdm run ")):
        if files.has(lock):
            return runner
    return ""


# -- Rust and Go -------------------------------------------------------------------------------------------


def _rust(files: RepositoryFiles) -> Iterator[FoundProcess]:
    text = files.read("Cargo.toml")
    if text is None:
        return
    try:
        manifest = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    names = [str(found.get("name")) for found in manifest.get("bin", []) if isinstance(found, dict)]
    names += [name.removesuffix(".rs") for name in files.names("src/bin") if name.endswith(".rs")]
    if files.has("src/main.rs"):
        names.append(str(manifest.get("package", {}).get("name") or "app"))
    names = list(dict.fromkeys(names))
    for name in names:
        command = f"cargo run --bin {shlex.quote(name)}" if len(names) > 1 else "cargo run"
        yield FoundProcess(plain_name(name), command, "Cargo.toml", {"restart": "never"})


def _go(files: RepositoryFiles) -> Iterator[FoundProcess]:
    text = files.read("go.mod")
    if text is None:
        return
    module = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
    name = plain_name(re.sub(r"/v\d+$", "", module[1]).rpartition("/")[2]) if module is not None else "app"
    if files.has("main.go"):
        yield FoundProcess(name, "go run .", "go.mod and main.go", {"restart": "never"})
    for command in files.names("cmd"):
        if files.has(f"cmd/{command}/main.go"):
            yield FoundProcess(
                plain_name(command), f"go run ./cmd/{command}", f"cmd/{command}/main.go", {"restart": "never"}
            )


# -- anything else -----------------------------------------------------------------------------------------


def _make(files: RepositoryFiles) -> Iterator[FoundProcess]:
    text = files.read("Makefile") or files.read("makefile") or files.read("GNUmakefile")
    targets = re.findall(r"^([A-Za-z][\w-]*)\s*:(?!=)", text or "", re.MULTILINE)
    target = next((name for name in ("dev", "run", "serve", "start", "up") if name in targets), None)
    if target is not None:
        yield FoundProcess("app", f"make {target}", f"target `{target}` of the Makefile", {"restart": "never"})


def _json(files: RepositoryFiles, path: str) -> dict[str, Any] | None:
    try:
        value = json.loads(files.read(path) or "")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
