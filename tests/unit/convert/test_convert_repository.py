"""What a repository can run, from the files that it has."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import pytest

from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.convert.repository import inspect
from sbxcompose.convert.repository_files import RepositoryFiles
from tests.support.cases import each_case


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
    "environment that is not activated": (
        {".venv/pyvenv.cfg": "", "src/app.py": "app = Flask(__name__)\n", "src/tasks.py": "queue = Celery('x')\n"},
        {
            "web": "../.venv/bin/flask --app app:app run --port $$PORT",
            "worker": "../.venv/bin/celery --app tasks:queue worker",
        },
    ),
    "django in an environment": (
        {"venv/pyvenv.cfg": "", "manage.py": ""},
        {"migrate": "venv/bin/python manage.py migrate", "web": "venv/bin/python manage.py runserver $$PORT"},
    ),
    "environment that a tool made": (
        {".venv/pyvenv.cfg": "", "uv.lock": "", "app.py": "app = Flask(__name__)\n"},
        {"web": "uv run flask --app app:app run --port $$PORT"},
    ),
    "program in an environment": (
        {".venv/pyvenv.cfg": "", "pyproject.toml": '[project]\nname = "shop"\n[project.scripts]\nserve = "a:b"\n'},
        {"shop": ".venv/bin/serve"},
    ),
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


FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
SHOP = '[project]\nname = "shop"\n'
PYTHON: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "programs of the package": (
        {"pyproject.toml": f'{SHOP}[project.scripts]\nshop = "shop:main"\nshop-server = "a:b"\nworker = "a:c"\n'},
        {"shop": "shop-server", "worker": "worker"},
        ["shop (from `shop` in [project.scripts] of pyproject.toml)"],
    ),
    "poe": (
        {"uv.lock": "", "pyproject.toml": '[tool.poe.tasks]\nlint = "x"\nserve = {cmd = "x"}\nworker = ["a"]\n'},
        {"app": "uv run poe serve", "worker": "uv run poe worker"},
        [],
    ),
    "pdm": ({"pyproject.toml": '[tool.pdm.scripts]\n_.env_file = "x"\napi = "x"\n'}, {"api": "pdm run api"}, []),
    "hatch": (
        {"pyproject.toml": "[tool.hatch.envs]\ndefault.scripts.dev = 'x'\njobs.scripts.worker = 'y'\n"},
        {"app": "hatch run dev", "worker": "hatch run jobs:worker"},
        [],
    ),
    "rye": ({"pyproject.toml": f'{SHOP}[tool.rye.scripts]\nstart = "x"\n'}, {"shop": "rye run start"}, []),
    "poetry": (
        {"pyproject.toml": '[tool.poetry]\nname = "shop"\n[tool.poetry.scripts]\nrun = "a:b"\n'},
        {"shop": "poetry run run"},
        [],
    ),
    "one of several servers": (
        {"pyproject.toml": '[tool.poe.tasks]\ndev = "x --reload"\nstart = "x"\n'},
        {"app": "poe dev"},
        ["poe start (from `start` in [tool.poe.tasks] of pyproject.toml)"],
    ),
    "fastapi in a package": (
        {"pyproject.toml": f"{SHOP}dependencies = ['fastapi[standard]>=0.1']\n", "shop/app.py": FASTAPI},
        {"web": "uvicorn shop.app:app --port $$PORT"},
        [],
    ),
    "module-qualified class, hypercorn": (
        {"requirements.txt": "Hypercorn==1\nquart\n", "shop/__init__.py": "site = quart.Quart(__name__)\n"},
        {"web": "hypercorn --bind 127.0.0.1:$$PORT shop:site"},
        [],
    ),
    "flask under gunicorn, made by a function": (
        {
            "pyproject.toml": "[tool.poetry.dependencies]\nflask = '*'\n[tool.poetry.group.prod.dependencies]\n"
            "gunicorn = '*'\n",
            "shop/__init__.py": "def create_app():\n    return Flask(__name__)\n",
        },
        {"web": "poetry run gunicorn --bind 127.0.0.1:$$PORT 'shop:create_app()'"},
        [],
    ),
    "django and celery": (
        {
            "backend/manage.py": "",
            "shop/wsgi.py": "application = get_wsgi_application()\n",
            "shop/celery.py": "app = Celery('shop')\n",
        },
        {
            "migrate": "python manage.py migrate",
            "web": "python manage.py runserver $$PORT",
            "worker": "celery --app shop.celery:app worker",
        },
        [],
    ),
    "django without manage.py": (
        {
            "pyproject.toml": "[project]\ndependencies = ['Django', 'gunicorn']\n",
            "shop/wsgi.py": "application = get_wsgi_application()\n",
            "shop/asgi.py": "application = get_asgi_application()\n",
        },
        {"web": "gunicorn --bind 127.0.0.1:$$PORT shop.wsgi:application"},
        [],
    ),
    "a script and the application that it serves": (
        {"pyproject.toml": '[tool.poe.tasks]\nserve = "x"\n', "src/shop/main.py": FASTAPI},
        {"app": "poe serve"},
        ["uvicorn shop.main:app --port $PORT (in src; from src/shop/main.py: FastAPI)"],
    ),
    "not a dependency": (
        {"pyproject.toml": "[project]\ndependencies = ['attrs']\n", "shop/app.py": FASTAPI},
        {},
        ["uvicorn shop.app:app --port $PORT (from shop/app.py: FastAPI)"],
    ),
    "tables of other types": ({"pyproject.toml": "project = 1\n[tool]\npoe = []\nhatch.envs = 'x'\n"}, {}, []),
}


@each_case("kind", PYTHON)
def test_a_python_project_runs(kind: str) -> None:
    files, commands, others = PYTHON[kind]
    draft = inspected(files)
    assert {name: keys["command"] for name, keys in draft.processes.items()} == commands
    assert draft.others == others
    assert not draft.notes


def test_a_server_that_is_not_a_dependency_is_to_be_added() -> None:
    draft = inspected({"pyproject.toml": "[project]\ndependencies = ['fastapi']\n", "shop/app.py": FASTAPI})
    assert [str(note) for note in draft.notes] == ["web: add uvicorn, which is not among the dependencies"]


SEVERAL: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "scripts of package.json": (
        {"package.json": package(name="shop", scripts={"start": "x", "dev": "y", "dev:worker": "z", "build:web": "b"})},
        {"shop": "npm run dev", "worker": "npm run dev:worker"},
        ["npm run start (from script `start` of package.json)"],
    ),
    "scripts that one script runs": (
        {"package.json": package(name="shop", scripts={"dev": "run-p dev:* npm:api", "dev:web": "y", "api": "z"})},
        {"shop": "npm run dev"},
        [
            "npm run dev:web (from script `dev:web` of package.json)",
            "npm run api (from script `api` of package.json)",
        ],
    ),
    "targets": (
        {"Makefile": ".PHONY: run\nrun:\n\tx\nworker: deps\n\ty\napi := 1\nbuild:\n\tz\n"},
        {"app": "make run", "worker": "make worker"},
        [],
    ),
    "targets that one target makes": (
        {"Makefile": "dev:\n\tmake -j2 web worker\nweb:\n\tx\nworker:\n\ty\n"},
        {"app": "make dev"},
        ["make web (from target `web` of the Makefile)", "make worker (from target `worker` of the Makefile)"],
    ),
}


@each_case("kind", SEVERAL)
def test_several_scripts_run(kind: str) -> None:
    files, commands, others = SEVERAL[kind]
    draft = inspected(files)
    assert {name: keys["command"] for name, keys in draft.processes.items()} == commands
    assert draft.others == others


@pytest.mark.parametrize(
    "name, text, line",
    [("pyproject.toml", "[project]\nname = shop\n", 2), ("Cargo.toml", "[", 1), ("package.json", '{\n"a": }', 2)],
)
def test_a_manifest_with_a_mistake_is_noted_with_the_place(name: str, text: str, line: int) -> None:
    draft = inspected({name: text, "main.go": "", "go.mod": "module shop\n"})
    [note] = draft.notes
    assert (note.file, note.line) == (name, line)
    assert str(note).startswith(f"{name}: cannot be parsed and is ignored: ")
    assert draft.processes.keys() == {"shop"}


def test_a_manifest_that_is_nested_without_end_is_noted() -> None:
    [note] = inspected({"pyproject.toml": f"a = {'[' * 100_000}"}).notes
    assert str(note) == "pyproject.toml: is nested too deeply and is ignored"


@each_case("kind", KINDS)
def test_a_repository_runs(kind: str) -> None:
    files, commands = KINDS[kind]
    draft = inspected(files)
    assert {name: keys["command"] for name, keys in draft.processes.items()} == commands
    assert draft.comments.keys() == commands.keys(), "each process says where it comes from"


def test_a_server_waits_for_its_migration_and_has_a_port() -> None:
    web = inspected({"manage.py": ""}).processes["web"]
    assert web["port"] == 8000
    assert web["depends_on"] == {"migrate": "completed"}


@each_case(
    "files",
    [{}, {"README.md": ""}, {"package.json": "{"}, {"package.json": "[]"}, {"Cargo.toml": "["}, {"Makefile": "x := 1"}],
    ids=["nothing", "readme", "broken json", "json list", "broken toml", "no target"],
)
def test_a_repository_in_which_nothing_is_recognised(files: dict[str, str]) -> None:
    assert inspected(files).processes == {}
