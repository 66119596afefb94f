"""`init`: a first file for a repository, which this command accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import COMMAND, Sbx
from tests.support.ports import free_port

REPOSITORIES = {
    "node": {"package.json": '{"name": "shop", "scripts": {"dev": "vite"}}'},
    "go": {"go.mod": "module shop\n", "main.go": ""},
    "rust": {"Cargo.toml": "[package]\nname = 'crab'\n", "src/main.rs": ""},
    "make": {"Makefile": "dev:\n\techo hi\n"},
    "compose": {"compose.yaml": "services: {web: {command: run, environment: {A: $B}}}\n"},
    "procfile": {"Procfile": "web: serve --port $PORT\nworker: work\n"},
    "workspaces": {
        "package.json": '{"workspaces": ["apps/*"]}',
        "apps/api/package.json": '{"name": "@shop/api", "scripts": {"dev": "node ."}}',
    },
    "fastapi": {"pyproject.toml": "", "uv.lock": "", "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"},
    "django": {"manage.py": ""},
    "python": {
        "pyproject.toml": "[project]\nname = 'shop'\ndependencies = ['fastapi', 'celery']\n"
        "[tool.poe.tasks]\nstart = 'x'\nserve = 'y'\n",
        "shop/app.py": "app = FastAPI()\n",
        "shop/tasks.py": "queue = Celery('shop')\n",
    },
    "package": {"pyproject.toml": "[project]\ndependencies = ['flask']\n", "src/shop/web.py": "site = Flask('x')\n"},
    "scripts": {"package.json": '{"scripts": {"dev": "x", "start": "y", "worker": "z"}}'},
    "process-compose": {"process-compose.yaml": "processes: {web: {command: run, availability: {restart: always}}}\n"},
}


@pytest.mark.parametrize("kind", REPOSITORIES)
def test_the_file_is_accepted(dry: Sbx, kind: str) -> None:
    for name, text in REPOSITORIES[kind].items():
        dry.write(text, name)
    done = dry.run("init")
    assert done.stdout == ""
    assert "wrote sbxcompose.yaml" in done.stderr
    text = (dry.project / "sbxcompose.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    dry.run("config", "-q")


MANAGE = """\
import http.server, sys
print("manage", *sys.argv[1:], flush=True)
if sys.argv[1] == "runserver":
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
COME_UP: dict[str, tuple[dict[str, str], set[str]]] = {
    "make": ({"Makefile": "dev:\n\t@echo hello; exec sleep 1000\n"}, {"app | hello"}),
    "procfile": (
        {"Procfile": "web: echo at $PORT; exec sleep 1000\nworker: echo $GREETING; exec sleep 1000\n",
         ".env": "GREETING=hello\n"},
        {"web    | at PORT", "worker | hello"},
    ),
    "npm": ({"package.json": '{"name": "shop", "scripts": {"dev": "echo from npm; exec sleep 1000"}}'}, {"from npm"}),
    "django": ({"manage.py": MANAGE}, {"manage migrate", "manage runserver PORT"}),
    "compose": (
        {"compose.yaml": "services: {web: {build: ., environment: [A=b], depends_on: [db]}, db: {command: sleep 1000}}",
         "Dockerfile": "FROM alpine\nCMD echo A=$A; exec sleep 1000\n"},
        {"web | A=b"},
    ),
    "process-compose": (
        {"process-compose.yaml": "processes: {web: {command: echo at $HOME; exec sleep 1000, ready_log_line: at}}"},
        {"web | at /"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", COME_UP)
def test_the_result_comes_up(sbx: Sbx, kind: str) -> None:
    files, lines = COME_UP[kind]
    for program in {"make", "npm"} & {kind}:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    for name, text in files.items():
        sbx.write(text, name)
    sbx.run("init")
    port = str(free_port())
    sbx.write((sbx.project / "sbxcompose.yaml").read_text().replace("8000", port).replace("5000", port))
    sbx.env["PATH"] = f"{Path(sys.executable).parent}:{sbx.env['PATH']}"
    sbx.run("up", "-d", "--wait")
    with sbx.start("logs", "-f") as logs:  # a process without a check may print after `--wait` returned: npm is slow
        for line in lines:
            logs.wait_for(re.escape(line.replace("PORT", port)))
    sbx.run("down")


def test_an_existing_file_is_kept_unless_forced(dry: Sbx) -> None:
    dry.write("mine\n")
    dry.write("dev:\n\tx\n", "Makefile")
    assert "--force" in dry.run("init", code=2).stderr
    assert (dry.project / "sbxcompose.yaml").read_text() == "mine\n"
    assert "command: make dev" in dry.run("init", "--stdout").stdout
    dry.run("init", "--force")
    assert "command: make dev" in (dry.project / "sbxcompose.yaml").read_text()


def test_a_file_that_cannot_be_written_leaves_what_was_there(dry: Sbx) -> None:
    dry.write("web: sleep 60\n", "Procfile")
    full = "ulimit -f 0; SBXCOMPOSE_WARM=no"
    written = dry.project / "sbxcompose.yaml"
    for before, options in ((None, ""), ("mine\n", " --force")):
        if before is not None:
            dry.write(before)
        script = f"{full} {COMMAND} init{options}"
        done = subprocess.run(
            ["sh", "-c", script], cwd=dry.project, env=dry.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert "cannot write sbxcompose.yaml: file too large" in done.stderr
        assert (written.read_text() if written.exists() else None) == before
        assert [path.name for path in dry.project.glob("*~")] == []


def test_a_file_that_is_overwritten_keeps_its_mode_and_its_links(dry: Sbx) -> None:
    dry.write("dev:\n\tx\n", "Makefile")
    dry.write("mine\n", "real.yaml")
    (dry.project / "real.yaml").chmod(0o640)
    (dry.project / "sbxcompose.yaml").symlink_to("real.yaml")
    dry.run("init", "--force")
    assert (dry.project / "sbxcompose.yaml").is_symlink()
    assert "command: make dev" in (dry.project / "real.yaml").read_text()
    assert (dry.project / "real.yaml").stat().st_mode & 0o777 == 0o640


def test_what_is_beside_a_converted_file_is_named(dry: Sbx) -> None:
    dry.write("services: {db: {image: redis}}\n", "compose.yaml")
    assert "also here" not in dry.run("init").stderr
    dry.write('{"scripts": {"dev": "next dev"}}', "package.json")
    assert (
        "not in the result (1):\n  npm run dev (from script `dev` of package.json)\n"
        in dry.run("init", "--force").stderr
    )
    dry.write("web: npm run dev\n", "Procfile.dev")
    told = dry.run("init", "--force").stderr
    assert "not in the result (1):\n  Procfile.dev: `sbxcompose convert Procfile.dev` prints what it becomes\n" in told


def test_what_is_not_started_is_named_in_the_file(dry: Sbx) -> None:
    dry.write("[project]\nname = 'shop'\n[tool.poe.tasks]\nserve = 'x'\nstart = 'y'\n", "pyproject.toml")
    told = dry.run("init").stderr
    other = "poe start (from `start` in [tool.poe.tasks] of pyproject.toml)"
    assert "shop: poe serve (from `serve` in [tool.poe.tasks] of pyproject.toml)" in told
    assert f"not in the result (1):\n  {other}\n" in told
    assert (dry.project / "sbxcompose.yaml").read_text().endswith(f"\n# Also here, and not started:\n#   {other}\n")


def test_a_manifest_with_a_mistake_is_named_with_the_place(dry: Sbx) -> None:
    dry.write("[project]\nname = shop\n", "pyproject.toml")
    refused = dry.run("init", code=2).stderr
    assert "pyproject.toml:2: pyproject.toml: cannot be parsed" not in refused, "the file is named once"
    assert "pyproject.toml:2: cannot be parsed and is ignored: " in refused
    dry.write("dev:\n\techo hi\n", "Makefile")
    assert "pyproject.toml:2: cannot be parsed and is ignored: " in dry.run("init").stderr
    assert "# TODO pyproject.toml:2: cannot be parsed" in (dry.project / "sbxcompose.yaml").read_text()


def test_a_repository_in_which_nothing_is_recognised(dry: Sbx) -> None:
    refused = dry.run("init", code=2)
    assert "found nothing to run" in refused.stderr
    assert "hint:" in refused.stderr
