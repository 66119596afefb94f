"""Docker Compose files -> ours: the keys of processes, and what the report has to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sbxcompose.convert.convert import convert
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.spec.nodes import Document
from tests.support.cases import each_case


def converted(text: str, files: Mapping[str, str] | None = None) -> ProjectDraft:
    """What a Compose file becomes, beside these other files."""
    return convert(Document("compose.yaml", "", "/p", text), "compose", (files or {}).get)


def service(keys: str, more: str = "") -> dict[str, Any]:
    """The process that one service becomes."""
    return converted(f"services:\n  web: {{{keys}}}\n{more}").processes["web"]


def notes(draft: ProjectDraft, kind: NoteKind) -> list[str]:
    return [str(note) for note in draft.notes if note.kind is kind]


@each_case(
    "keys, expected",
    [
        ("command: npm start", {"command": "npm start"}),
        ("command: [npm, start]", {"command": ["npm", "start"]}),
        ("entrypoint: [/bin/sh, -c], command: [run it]", {"command": ["/bin/sh", "-c", "run it"]}),
        ("command: 'echo a; echo b'", {"command": ["echo", "a;", "echo", "b"]}),
        ("command: 'run $X ${Y} ${Z:-1} $$H'", {"command": ["run", "${X:-}", "${Y:-}", "${Z:-1}", "$$H"]}),
        ("command: x, restart: always", {"restart": "always"}),
        ("command: x, restart: unless-stopped", {"restart": "always"}),
        ("command: x, restart: 'on-failure:5'", {"restart": {"policy": "on_failure", "max_restarts": 5}}),
        ("command: x, restart: 'no'", {"restart": "never"}),
        ("command: x", {"restart": "never"}),
        ("command: x, ports: ['8080:8080']", {"port": 8080}),
        ("command: x, ports: ['127.0.0.1:81:81']", {"port": 81}),
        ("command: x, ports: ['${P:-90}:90']", {"port": 90}),
        ("command: x, ports: [{target: 70, published: 70}]", {"port": 70}),
        ("command: x, ports: ['8080:80']", {"port": 80}),
        ("command: x, ports: ['8080:80'], environment: {PORT: 80}", {"port": 8080}),
        ("command: x, environment: [A=1, B]", {"env": {"A": "1", "B": None}}),
        ("command: x, environment: {A: $A}", {"env": {"A": "${A:-}"}}),
        ("command: x, env_file: a.env", {"env_file": "a.env"}),
        (
            "command: x, env_file: [{path: a, required: false}, b]",
            {"env_file": [{"path": "a", "required": False}, "b"]},
        ),
        ("command: x, profiles: [debug]", {"profiles": ["debug"]}),
        ("command: x, tty: true, stdin_open: true", {"tty": True, "stdin": "pipe"}),
        ("command: x, labels: {team: shop}", {"labels": {"team": "shop"}}),
        ("command: x, labels: [team=shop, old]", {"labels": {"team": "shop", "old": ""}}),
        ("command: x, stop_signal: SIGINT, stop_grace_period: 1m30s", {"stop": {"signal": "SIGINT", "grace": "1m30s"}}),
        ("command: x, deploy: {replicas: 3}", {"replicas": 3}),
        ("command: x, working_dir: /app/api, volumes: ['.:/app']", {"workdir": "api"}),
        ("command: python /app/api/main.py, volumes: ['./src:/app']", {"command": "python ./src/api/main.py"}),
    ],
)
def test_a_key_becomes(keys: str, expected: dict[str, Any]) -> None:
    process = service(keys)
    assert {key: process[key] for key in expected} == expected


@each_case(
    "test, expected",
    [
        ("[CMD, curl, -f, 'http://localhost:80/up']", {"http": {"port": 80, "path": "/up"}}),
        ("curl -fsS http://127.0.0.1:3000 >/dev/null || exit 1", {"http": 3000}),
        ("[CMD-SHELL, 'wget -qO- localhost:9000/ready || exit 1']", {"http": {"port": 9000, "path": "/ready"}}),
        ("nc -z localhost 6379", {"tcp": 6379}),
        ("[CMD, pg_isready, -U, app]", {"exec": ["pg_isready", "-U", "app"]}),
        ("[CMD-SHELL, 'pg_isready -U $$USER || exit 1']", {"exec": "pg_isready -U $$USER || exit 1"}),
        ("curl -f https://localhost/", {"exec": "curl -f https://localhost/"}),
        ("curl -f http://other:80/", {"exec": "curl -f http://other:80/"}),
    ],
)
def test_a_health_check_becomes(test: str, expected: dict[str, Any]) -> None:
    text = test if test.startswith("[") else f'"{test}"'
    keys = f"command: x, healthcheck: {{test: {text}, interval: 10s, timeout: 5s, retries: 4, start_period: 30s}}"
    timing = {"initial_delay": "30s", "interval": "10s", "timeout": "5s", "failure_threshold": 4}
    assert service(keys)["health_check"] == {**expected, **timing}


def test_a_disabled_health_check_is_left_out() -> None:
    assert "health_check" not in service("image: redis, healthcheck: {disable: true}")
    assert "health_check" not in service("command: x, healthcheck: {test: [NONE]}")


def test_dependencies_keep_their_conditions() -> None:
    found = converted(
        """\
        services:
          a: {command: x}
          b: {command: x, depends_on: [a], links: [c]}
          c:
            command: x
            depends_on:
              a: {condition: service_healthy, restart: true}
              b: {condition: service_completed_successfully}
              e: {condition: service_started}
          d: {command: x, depends_on: {a: {condition: service_started, required: false}}}
        """
    ).processes
    assert found["b"]["depends_on"] == {"c": "started", "a": "started"}, "a list means started there"
    assert found["c"]["depends_on"] == {"a": {"condition": "ready", "restart": True}, "b": "completed"}
    assert found["d"]["depends_on"] == {"a": {"condition": "started", "required": False}}


HOSTS = """\
services:
  db: {image: 'postgres:16', ports: ['5433:5432']}
  cache: {image: redis}
  web:
    command: x
    environment:
      DATABASE_URL: postgres://u:p@db:5432/app
      URLS: redis://cache:6379/0,redis://cache/1
      CACHE_HOST: cache
      MODE: cache
      TITLE: my db here
      DSN: host=db port=5432
      ADDRESS: cache:6379
      SAME: postgres://db:db@db:5432/db
      REQUIRED: postgres://db:${PASSWORD:?set it}@db/db
      CACHE_NODE_ID: cache
"""


def test_names_of_services_become_this_machine() -> None:
    found = converted(HOSTS)
    assert found.processes["web"]["env"] == {
        "DATABASE_URL": "postgres://u:p@127.0.0.1:5433/app",
        "URLS": "redis://127.0.0.1:6379/0,redis://127.0.0.1/1",
        "CACHE_HOST": "127.0.0.1",
        "MODE": "cache",
        "TITLE": "my db here",
        "DSN": "host=127.0.0.1 port=5432",
        "ADDRESS": "127.0.0.1:6379",
        "SAME": "postgres://db:db@127.0.0.1:5433/db",
        "REQUIRED": "postgres://db:${PASSWORD:?set it}@127.0.0.1/db",
        "CACHE_NODE_ID": "cache",
    }
    assert sum(note.startswith("web.environment: `") for note in notes(found, NoteKind.CHANGED)) == 7


@each_case(
    "image, program, port",
    [
        ("postgres:16-alpine", "postgres -D data/web -p 5432", 5432),
        ("docker.io/library/redis@sha256:0", "redis-server --port 6379", 6379),
        ("mysql:8", "mysqld --datadir", 3306),
        ("mariadb", "mariadbd --datadir", 3306),
        ("nats:2", "nats-server -p 4222", 4222),
        ("rabbitmq:3-management", "rabbitmq-server", 5672),
        ("memcached", "memcached -l 127.0.0.1 -p 11211", 11211),
        ("mongo:7", "mongod --bind_ip 127.0.0.1 --port 27017", 27017),
        ("pgvector/pgvector:pg16", "postgres -D data/web", 5432),
    ],
)
def test_a_known_image_becomes_a_native_program(image: str, program: str, port: int) -> None:
    process = service(f"image: '{image}'")
    assert program in process["command"].replace("$$as ", "")
    assert process["health_check"]["tcp"] == port


@each_case(
    "keys, command",
    [
        ("image: grafana/grafana-oss:11", "grafana server --homepath"),
        (
            "image: prom/node-exporter, command: ['--path.rootfs=/']",
            "node_exporter --web.listen-address=127.0.0.1:9100",
        ),
        ("image: prom/alertmanager, command: ['--storage.path=/x']", "alertmanager --storage.path=data/web "),
        ("image: elasticsearch, environment: [node.name=a]", "-Ediscovery.type=single-node -Enode.name=a -Ehttp.port"),
        ("image: haproxy, volumes: ['./ha.cfg:/usr/local/etc/haproxy/haproxy.cfg']", "haproxy -db -f ha.cfg"),
        ("image: nginx, volumes: ['./n.conf:/etc/nginx/nginx.conf']", '-c "$$PWD/n.conf"'),
        ("image: nginx, volumes: ['./a.conf:/etc/nginx/conf.d/a.conf']", 'include "$$PWD/a.conf";'),
        ("image: nginx, volumes: ['./web:/usr/share/nginx/html']", 'server { listen 80; root "$$PWD/web"; }'),
        ("image: nginx, ports: ['81:8080'], volumes: ['./n.conf:/etc/nginx/nginx.conf']", "exec nginx"),
    ],
)
def test_a_server_takes_its_files_and_arguments_along(keys: str, command: str) -> None:
    process = service(keys)
    assert command in process["command"]
    assert "/x" not in process["command"], "an option that is set here is not given twice"


@each_case(
    "image, given, command",
    [
        ("acme/agent", "--verbose", "agent --verbose"),
        ("acme/agent:2", "[-v]", ["agent", "-v"]),
        ("quay.io/keycloak/keycloak", "start-dev", "kc.sh start-dev"),
        ("${REGISTRY:-acme}/agent", "run it", "run it"),
    ],
)
def test_options_alone_are_those_of_the_entry_point(image: str, given: str, command: Any) -> None:
    found = converted(f"services: {{web: {{image: '{image}', command: {given}}}}}")
    assert found.processes["web"]["command"] == command
    assert "is not pulled" in notes(found, NoteKind.MANUAL)[0]


def test_a_dockerfile_without_a_command_runs_what_its_base_runs() -> None:
    files = {"proxy/Dockerfile": "FROM nginx:alpine\nCOPY site.conf /etc/nginx/conf.d/default.conf\n"}
    process = converted("services: {proxy: {build: proxy, ports: ['80:80']}}", files).processes["proxy"]
    assert 'include "$$PWD/proxy/site.conf";' in process["command"]
    assert "workdir" not in process, "its data is in the project"
    other = converted("services: {job: {build: proxy}}", {"proxy/Dockerfile": "FROM acme/base"})
    assert "what image acme/base runs" in other.processes["job"]["command"]


def test_names_that_processes_cannot_have_are_changed_everywhere() -> None:
    found = converted("services: {a.b: {command: x}, a-b: {command: y, depends_on: [a.b]}}")
    assert found.processes["a-b-2"]["depends_on"] == {"a-b": "started"}
    assert "a-b: was called `a.b`, which cannot be the name of a process" in notes(found, NoteKind.CHANGED)


def test_a_variable_without_a_proper_name_is_left_out() -> None:
    found = converted("services: {web: {command: x, environment: {A B: 1, C: 2}}}")
    assert found.processes["web"]["env"] == {"C": "2"}
    assert "web.environment: `A B` is an invalid variable name, and is left out" in notes(found, NoteKind.MANUAL)


@each_case(
    "keys, kind, words",
    [
        ("storage_opt: {size: 1g}", NoteKind.MANUAL, "web.storage_opt: no counterpart; check whether the process"),
        ("deploy: {replicas: 1, placement: {}}", NoteKind.DROPPED, "web.deploy: `placement`: for clusters only"),
        ("depends_on: [gone]", NoteKind.MANUAL, "web.depends_on: `gone` is not a service of this file"),
        ("ports: ['80:80'], deploy: {replicas: 2}", NoteKind.MANUAL, "web.replicas: replicas cannot share a port"),
        ("stop_signal: 'now; rm'", NoteKind.MANUAL, "web.stop_signal: `now; rm` is not a signal"),
    ],
)
def test_nothing_is_dropped_silently(keys: str, kind: NoteKind, words: str) -> None:
    found = converted(f"services: {{web: {{command: x, {keys}}}}}")
    assert any(note.startswith(words) for note in notes(found, kind)), found.notes


def test_a_published_port_moves_a_known_daemon() -> None:
    process = service("image: postgres, ports: ['5433:5432'], environment: {POSTGRES_PASSWORD: s, POSTGRES_DB: app}")
    assert process["port"] == 5433
    assert "-p 5433" in process["command"]
    assert 'CREATE DATABASE "app"' in process["command"]
    assert 'printf "%s" "$$POSTGRES_PASSWORD" >' in process["command"], "the shell takes the password from the variable"
    assert process["health_check"] == {"tcp": 5433, "initial_delay": "1m"}, "the first start creates the cluster"


@pytest.mark.parametrize("given, expected", [("3s", "1m"), ("5m", "5m")])
def test_a_database_keeps_its_time_for_the_first_start(given: str, expected: str) -> None:
    check = service(f"image: mysql, healthcheck: {{test: x, interval: 2s, start_period: {given}}}")["health_check"]
    assert check == {"tcp": 3306, "interval": "2s", "initial_delay": expected}


def test_two_containers_on_one_port_are_parted() -> None:
    found = converted("services: {a: {command: x, ports: ['81:80']}, b: {command: x, ports: ['82:80']}}")
    assert found.processes["a"]["port"] == 80
    assert "port" not in found.processes["b"]
    assert "b.ports: port 80 is also used by a: make one of them listen on another port" in notes(
        found, NoteKind.MANUAL
    )


def test_a_variable_port_beats_the_published_one() -> None:
    process = service("command: x, ports: ['80:80'], environment: {PORT: '${P:-81}'}")
    assert process["env"] == {"PORT": "${P:-81}"}
    assert "port" not in process


def test_a_secret_file_is_read_where_it_is() -> None:
    secret = "secrets: {pw: {file: ./db/pw.txt}}\n"
    process = service("image: postgres, secrets: [pw], environment: {POSTGRES_PASSWORD_FILE: /run/secrets/pw}", secret)
    assert process["env"] == {"POSTGRES_PASSWORD_FILE": "./db/pw.txt"}
    assert "$$(cat ./db/pw.txt)" in process["command"]


DOCKERFILE = """\
FROM node:20 AS base
WORKDIR /app
ENV NODE_ENV=production PATH=/app/bin:$PATH
COPY package.json .
RUN npm ci && rm -rf /tmp/x
COPY . .
RUN <<EOF
CMD ["not", "this"]
EOF
FROM base AS tools
CMD ["tools"]
FROM base
EXPOSE 3000
CMD ["node", \\
     "/app/server.js"]
"""


@pytest.mark.parametrize(
    "build, command", [("build: api", ["node", "./server.js"]), ("build: {context: ./api, target: tools}", ["tools"])]
)
def test_the_command_comes_from_the_dockerfile(build: str, command: list[str]) -> None:
    found = converted(f"services: {{web: {{{build}}}}}", {"api/Dockerfile": DOCKERFILE, "./api/Dockerfile": DOCKERFILE})
    process = found.processes["web"]
    assert process["command"] == command
    assert process["workdir"] == "api"
    assert process["env"] == {"NODE_ENV": "production"}
    assert found.top["sandboxes"] == {"main": {"setup": ["cd api && npm ci"]}}
    words = "`npm ci` of its Dockerfile is a `setup` command, run before the first start"
    assert f"web.build: {words}" in notes(found, NoteKind.CHANGED)


def test_an_unknown_image_is_left_to_a_person_and_fails_clearly() -> None:
    found = converted("services: {web: {image: acme/web, restart: always}}")
    process = found.processes["web"]
    assert "replace this command" in process["command"]
    assert process["restart"] == "never", "it must not be tried again and again"
    assert notes(found, NoteKind.MANUAL) == ["web.command: write what image acme/web runs, and `restart: always` again"]


def test_what_has_no_counterpart_is_reported_with_its_line() -> None:
    found = converted(
        "services:\n  web:\n    command: x\n    container_name: w\n    mem_limit: 1g\nnetworks: {a: {}}\n"
    )
    dropped = [(note.subject, note.line) for note in found.notes if note.kind is NoteKind.DROPPED]
    assert dropped == [("web.container_name", 4), ("web.mem_limit", 5), ("networks", 6)]


def test_a_service_extends_another_of_its_file() -> None:
    found = converted("services: {a: {command: x, tty: true}, b: {extends: {service: a}, command: y}}")
    assert found.processes["b"] == {**found.processes["a"], "command": "y"}


def test_files_before_version_2_have_their_services_at_the_top() -> None:
    assert converted("web: {image: redis}\n").processes.keys() == {"web"}
