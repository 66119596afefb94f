"""Converted projects come up: the programs that they run are small stand-ins on PATH, as are databases that this
machine does not have.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.looking import rows
from tests.cli.test_cli_convert_projects import PROJECTS, source_of
from tests.support.command import Sbx
from tests.support.ports import free_port

SAY = 'echo "$(basename "$0") $*"\n'
STAY = f"#!/bin/sh\n{SAY}exec sleep 1000\n"
DONE = f"#!/bin/sh\n{SAY}"
LISTEN = """\
import socket, sys
option, *words = sys.argv[1:]
port = int(words[words.index(option) + 1])
listening = socket.create_server(("127.0.0.1", port))
while True:
    listening.accept()[0].close()
"""
SERVER = """\
import http.server, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path in sys.argv[2:] else 404)
        self.end_headers()
        self.wfile.write(b"OK")

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def folder(sbx: Sbx) -> Iterator[Sbx]:
    """A project in a directory that every user can reach: postgres does not run as root."""
    with tempfile.TemporaryDirectory(prefix="sbx-convert-") as name:
        Path(name).chmod(0o755)
        sbx.project = Path(name) / sbx.project.name
        sbx.project.mkdir()
        yield sbx


def converted(sbx: Sbx, name: str, *ports: int) -> dict[int, int]:
    """Convert a project, and give it free ports instead of its own, as a person does whose ports are taken."""
    shutil.copytree(PROJECTS / name, sbx.project, dirs_exist_ok=True)
    sbx.run("convert", source_of(name), "-o", "sbxcompose.yaml")
    text = (sbx.project / "sbxcompose.yaml").read_text()
    free = {port: free_port() for port in ports}
    assert all(str(port) in text for port in ports)
    sbx.write(re.sub(r"\d+", lambda found: str(free.get(int(found[0]), found[0])), text))
    return free


def provide(sbx: Sbx, **programs: str) -> None:
    """Put stand-ins on PATH."""
    for name, text in programs.items():
        sbx.write(text, f"bin/{name}").chmod(0o755)
    sbx.env["PATH"] = f"{sbx.project / 'bin'}:{os.environ['PATH']}"


def has_databases(sbx: Sbx) -> bool:
    """Return whether this machine has postgres and redis; stand-ins that only listen are put on PATH otherwise."""
    if all(shutil.which(program) for program in ("postgres", "initdb", "redis-server", "psql")):
        return True
    listen = sbx.write(LISTEN, "bin/listen.py")
    python = f"exec {sys.executable} {listen}"
    provide(
        sbx,
        id="#!/bin/sh\necho 1000\n",  # who is not root needs no user `postgres`
        initdb='#!/bin/sh\nmkdir -p "$2" && echo 16 > "$2/PG_VERSION"\n',
        postgres=f'#!/bin/sh\n{SAY}case $1 in --single) cat;; *) {python} -p "$@";; esac\n',
        **{"redis-server": f'#!/bin/sh\n{SAY}{python} --port "$@"\n'},
    )
    return False


@pytest.mark.time_limit(300)
def test_mastodon_comes_up_with_its_databases(folder: Sbx) -> None:
    ports = converted(folder, "mastodon", 5432, 6379, 3000, 4000)
    real = has_databases(folder)
    folder.write("LOCAL_DOMAIN=example.com\n", ".env.production")
    folder.write(SERVER, "server.py")
    rails = f"""\
#!/bin/bash
echo "$LOCAL_DOMAIN $*"
case $2 in
  sidekiq) exec -a 'sidekiq 6.5.0' sleep 1000 ;;
  puma) exec python3 server.py {ports[3000]} /health ;;
esac
"""
    node = f'#!/bin/sh\n{SAY}exec python3 server.py "$PORT" /api/v1/streaming/health\n'
    checks = {"curl": "#!/bin/sh\necho OK\n", "ps": "#!/bin/sh\necho 'sidekiq 6'\n"}
    provide(folder, bundle=rails, node=node, **{name: text for name, text in checks.items() if not shutil.which(name)})
    up = folder.run("up", "-d", "--wait", timeout=200)
    assert "5 processes" in up.stderr
    assert {name: row["ready"] for name, row in rows(folder).items()} == dict.fromkeys(
        ("db", "redis", "web", "streaming", "sidekiq"), True
    )
    assert "example.com exec puma -C config/puma.rb" in folder.run("logs", "web").stdout
    if real:
        server = f"host=127.0.0.1 port={ports[5432]} user=postgres dbname=postgres"
        assert folder.run("exec", "web", "--", "psql", "-tc", "select 6*7", server).stdout.strip() == "42"
    folder.run("down")


@pytest.mark.time_limit(300)
def test_the_voting_app_comes_up_with_its_databases(folder: Sbx) -> None:
    ports = converted(folder, "voting-app", 5432, 6379, 8081)
    real = has_databases(folder)
    web = free_port()
    text = (folder.project / "sbxcompose.yaml").read_text()
    folder.write(
        text.replace("port: 80\n", f"port: {web}\n").replace("http: 80\n", f"http: {{port: {web}, path: /}}\n")
    )
    folder.write(SERVER, "vote/server.py")
    provide(
        folder,
        npm=DONE,
        python=f'#!/bin/sh\n{SAY}exec python3 server.py "$PORT" /\n',
        nodemon=STAY,
        dotnet=STAY,
    )
    folder.write(DONE, "seed-data/generate-votes.sh").chmod(0o755)
    folder.run("up", "-d", "--wait", timeout=200)
    logs = folder.run("logs").stdout
    assert "nodemon --inspect=0.0.0.0 server.js" in logs
    assert "dotnet Worker.dll" in logs
    assert "generate-votes" not in logs, "it has a profile"
    if real:
        server = f"postgresql://postgres:postgres@127.0.0.1:{ports[5432]}/postgres"
        assert folder.run("exec", "worker", "--", "psql", "-tc", "select 6*7", server).stdout.strip() == "42"
    folder.run("down")


def test_a_procfile_of_mastodon_comes_up(sbx: Sbx) -> None:
    converted(sbx, "mastodon-dev", 5000, 5100, 5200, 5300)
    provide(sbx, bundle=f"#!/bin/sh\necho PORT=$PORT\n{SAY}exec sleep 1000\n", yarn=STAY)
    sbx.write(STAY, "bin/webpack-dev-server").chmod(0o755)
    sbx.run("up", "-d", "--wait")
    logs = sbx.run("logs").stdout
    for line in ("PORT=3000", "bundle exec sidekiq", "yarn run start", "webpack-dev-server --host 127.0.0.1"):
        assert line in logs
    sbx.run("down")


def test_a_procfile_of_chatwoot_comes_up(sbx: Sbx) -> None:
    ports = converted(sbx, "chatwoot", 5000, 5100, 5200)
    sbx.write("SOURCE_VERSION=3f2a\nRAILS_ENV=production\n", ".env")
    bundle = f"#!/bin/sh\n{SAY}case $2 in sidekiq) exec sleep 1000;; esac\n"
    provide(sbx, bundle=bundle)
    sbx.write(STAY, "bin/rails").chmod(0o755)
    sbx.run("up", "-d", "--wait")
    logs = sbx.run("logs").stdout
    assert "bundle exec rails db:chatwoot_prepare" in logs
    assert f"rails server -p {ports[5100]} -e production" in logs
    assert (sbx.project / ".git_sha").read_text() == "3f2a\n"
    sbx.run("down")


def test_the_process_compose_file_of_wanderer_comes_up_in_order(sbx: Sbx) -> None:
    ports = converted(sbx, "wanderer", 7700, 8090)
    sbx.write(SERVER, "search/server.py")
    sbx.write(SERVER, "db/server.py")
    sbx.write("", "web/package.json")
    go = f"#!/bin/sh\n{SAY}[ $1 = mod ] || install -m 755 /dev/stdin pocketbase <<'END'\n"
    go += f"#!/bin/sh\n{SAY}exec python3 server.py {ports[8090]} /api/health\nEND\n"
    npm = f"#!/bin/sh\n{SAY}[ $1 = install ] || exec sleep 1000\n"
    search = f"#!/bin/sh\necho $MEILI_MASTER_KEY\nexec python3 server.py {ports[7700]} /health\n"
    provide(sbx, meilisearch=search, go=go, npm=npm)
    sbx.run("up", "-d", "--wait")
    assert {rows(sbx)[name]["ready"] for name in ("meilisearch", "db")} == {True}
    logs = sbx.run("logs").stdout
    assert "meilisearch         | change_me" in logs
    assert "pocketbase serve" in logs
    assert "npm run dev" in logs
    sbx.run("down")


def test_the_process_compose_file_of_the_toolkit_comes_up_by_lines_of_logs(sbx: Sbx) -> None:
    converted(sbx, "benefit-toolkit")
    sbx.write("QUARKUS_HTTP_PORT=8083\n", ".env")
    quarkus = f"#!/bin/sh\n{SAY}echo $QUARKUS_CONSOLE_COLOR Listening on: http://localhost\nexec sleep 1000\n"
    firebase = f"#!/bin/sh\n{SAY}echo 'All emulators ready!'\nexec sleep 1000\n"
    provide(sbx, quarkus=quarkus, firebase=firebase, npm=STAY)
    for name in ("library-api", "builder-api", "builder-frontend"):
        sbx.write("", f"{name}/.keep")
    sbx.write(f"#!/bin/sh\n{SAY}", "bin/library/sync-metadata").chmod(0o755)
    assert "Runs the library on port 8083." in sbx.run("config").stdout
    sbx.run("up", "-d", "--wait")
    logs = sbx.run("logs").stdout
    assert "npm run dev -- --host" in logs
    assert "sync-metadata" in logs
    sbx.run("down")
