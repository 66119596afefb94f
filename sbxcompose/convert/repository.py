"""What a repository can run -> a first project file; pure, apart from what `RepositoryFiles` returns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.convert.long_running import long_running
from sbxcompose.convert.python_apps import python
from sbxcompose.convert.repository_files import FoundProcess, Manifests, RepositoryFiles, table
from sbxcompose.convert.values import escaped, plain_name


def inspect(files: RepositoryFiles) -> ProjectDraft:
    """Return a draft of what the repository can run; without processes if nothing tells."""
    draft = ProjectDraft()
    manifests = Manifests(files, draft.notes)
    for found in (*_node(manifests), *python(manifests), *_rust(manifests), *_go(files)):
        _add(draft, found)
    if not draft.processes:
        for found in _make(files):
            _add(draft, found)
    return draft


def _add(draft: ProjectDraft, found: FoundProcess) -> None:
    if not found.proposed:
        workdir = found.keys.get("workdir")
        draft.others.append(f"{found.command} ({f'in {workdir}; ' if workdir else ''}from {found.because})")
        return
    name = found.name
    while name in draft.processes:
        name = f"{name}-2"
    process = draft.process(name)
    process.set("command", escaped(found.command))
    for key, value in found.keys.items():
        process.set(key, value)
    if found.todo:
        process.todo("", found.todo)
    draft.comments[name] = found.because


# -- JavaScript and TypeScript -----------------------------------------------------------------------------


def _node(manifests: Manifests) -> Iterator[FoundProcess]:
    package = manifests.json("package.json")
    if package is None:
        return
    manager = _manager(manifests.files, package)
    workspaces = list(_workspaces(manifests.files, package))
    for folder in workspaces:
        inner = manifests.json(f"{folder}/package.json") or {}
        yield from _node_scripts(inner, manager, folder)
    if not workspaces:
        yield from _node_scripts(package, manager, "")


def _node_scripts(package: dict[str, Any], manager: str, folder: str) -> Iterator[FoundProcess]:
    name = plain_name(str(package.get("name") or folder or "web").rpartition("/")[2])
    path = f"{folder}/package.json" if folder else "package.json"
    keys = {"workdir": folder, "restart": "never"}
    chosen, others = long_running(table(package, "scripts"))
    for role, script in chosen.items():
        process = name if not role else f"{name[:50]}-{role}" if folder else role
        yield FoundProcess(process, f"{manager} run {script}", f"script `{script}` of {path}", keys)
    for script in others:
        yield FoundProcess(script, f"{manager} run {script}", f"script `{script}` of {path}", keys, proposed=False)


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


# -- Rust and Go -------------------------------------------------------------------------------------------


def _rust(manifests: Manifests) -> Iterator[FoundProcess]:
    manifest, files = manifests.toml("Cargo.toml"), manifests.files
    if manifest is None:
        return
    names = [str(found.get("name")) for found in manifest.get("bin", []) if isinstance(found, dict)]
    names += [name.removesuffix(".rs") for name in files.names("src/bin") if name.endswith(".rs")]
    if files.has("src/main.rs"):
        names.append(str(table(manifest, "package").get("name") or "app"))
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
    recipes = re.findall(r"^([A-Za-z][\w-]*)[ \t]*:(?![=:])(.*(?:\n\t.*)*)", text or "", re.MULTILINE)
    chosen, others = long_running(dict(recipes))
    for role, target in chosen.items():
        yield FoundProcess(role or "app", f"make {target}", _target(target), {"restart": "never"})
    for target in others:
        yield FoundProcess(target, f"make {target}", _target(target), proposed=False)


def _target(target: str) -> str:
    return f"target `{target}` of the Makefile"
