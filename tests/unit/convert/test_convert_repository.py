"""What a repository can run, from the files that it has."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import pytest

from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.convert.repository import RepositoryFiles, inspect


def inspected(files: dict[str, str]) -> ProjectDraft:
    """The draft for a repository with these files."""

    def names(folder: str) -> list[str]:
        inside = [posixpath.relpath(path, folder) for path in files if folder == "." or path.startswith(f"{folder}/")]
        return sorted({path.partition("/")[0] for path in inside})

    return inspect(RepositoryFiles(files.get, names))


def package(**keys: Any) -> str:
    return json.dumps(keys)


KINDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "npm": ({"package.json": package(name="@acme/shop", scripts={"dev": "vite"})}, {"shop": "npm run dev"}),
    "pnpm": ({"package.json": package(scripts={"start": "x"}), "pnpm-lock.yaml": ""}, {"web": "pnpm run start"}),
    "workspaces": (
        {
            "package.json": package(workspaces=["apps/*", "tool"], packageManager="yarn@4"),
            "apps/api/package.json": package(name="@x/api", scripts={"dev": "x"}),
            "apps/lib/package.json": package(scripts={"build": "x"}),
            "tool/package.json": package(scripts={"start": "x"}),
        },
        {"api": "yarn run dev", "tool": "yarn run start"},
    ),
    "pnpm workspaces": (
        {
            "package.json": package(scripts={"dev": "turbo"}),
            "pnpm-workspace.yaml": 'packages:\n  - "packages/*"\n',
            "pnpm-lock.yaml": "",
            "packages/web/package.json": package(scripts={"dev": "x"}),
        },
        {"web": "pnpm run dev"},
    ),
    "django": (
        {"manage.py": "", "uv.lock": ""},
        {"migrate": "uv run python manage.py migrate", "web": "uv run python manage.py runserver $$PORT"},
    ),
    "fastapi": ({"app/main.py": "api: FastAPI = FastAPI(title='x')\n"}, {"web": "uvicorn app.main:api --port $$PORT"}),
    "flask": ({"src/app.py": "app = Flask(__name__)\n"}, {"web": "flask --app app:app run --port $$PORT"}),
    "rust": ({"Cargo.toml": "[package]\nname = 'crab'\n", "src/main.rs": ""}, {"crab": "cargo run"}),
    "rust binaries": (
        {"Cargo.toml": "[[bin]]\nname = 'a'\n", "src/bin/b.rs": ""},
        {"a": "cargo run --bin a", "b": "cargo run --bin b"},
    ),
    "go": (
        {"go.mod": "module example.org/shop/v2\n", "main.go": "", "cmd/worker/main.go": ""},
        {"shop": "go run .", "worker": "go run ./cmd/worker"},
    ),
    "make": ({"Makefile": "build:\n\tx\ndev: build\n\ty\n"}, {"app": "make dev"}),
    "node and go": (
        {"package.json": package(name="ui", scripts={"dev": "x"}), "go.mod": "module ui\n", "main.go": ""},
        {"ui": "npm run dev", "ui-2": "go run ."},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_repository_runs(kind: str) -> None:
    files, commands = KINDS[kind]
    draft = inspected(files)
    assert {name: keys["command"] for name, keys in draft.processes.items()} == commands
    assert draft.comments.keys() == commands.keys(), "each process says where it comes from"


def test_a_server_waits_for_its_migration_and_has_a_port() -> None:
    web = inspected({"manage.py": ""}).processes["web"]
    assert web["port"] == 8000
    assert web["depends_on"] == {"migrate": "completed"}


@pytest.mark.parametrize(
    "files",
    [{}, {"README.md": ""}, {"package.json": "{"}, {"package.json": "[]"}, {"Cargo.toml": "["}, {"Makefile": "x := 1"}],
    ids=["nothing", "readme", "broken json", "json list", "broken toml", "no target"],
)
def test_a_repository_that_tells_nothing(files: dict[str, str]) -> None:
    assert inspected(files).processes == {}
