"""What the report on a Compose file says of volumes and of Dockerfiles: nothing is lost in silence."""

from __future__ import annotations

from sbxcompose.convert.convert import convert
from sbxcompose.convert.dockerfile import parse_dockerfile
from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.spec.nodes import Document
from tests.support.cases import each_case


def notes(services: str, dockerfile: str | None = None) -> list[str]:
    """The notes on volumes and builds of a Compose file, whose Dockerfile may be given."""
    read = {"Dockerfile": dockerfile}.get
    found = convert(Document("compose.yaml", "", "/p", f"services: {{{services}}}"), "compose", read)
    return [str(note) for note in found.notes if note.subject.endswith((".volumes", ".build"))]


@each_case(
    "keys, words",
    [
        ("volumes: ['./in:/srv/in']", ["web.volumes: `/srv/in` is `./in` here: point the process to it"]),
        ("volumes: ['data:/srv/in']", ["web.volumes: `/srv/in` is the folder data/data now: point the process to it"]),
        ("volumes: [{type: bind, source: ./in, target: /in}]",
         ["web.volumes: `/in` is `./in` here: point the process to it"]),
        ("working_dir: /app, volumes: ['./src:/app', './src/out:/app/out']", []),
        ("command: 'run /srv/in', volumes: ['./in:/srv/in']", []),
        ("volumes: ['/etc/localtime:/etc/localtime:ro', '/srv/anonymous']", []),
    ],
)  # fmt: skip
def test_a_volume_that_is_not_at_its_place_is_named(keys: str, words: list[str]) -> None:
    command = "" if "command" in keys else "command: x, "
    assert notes(f"web: {{{command}image: acme/web, {keys}}}") == words


@each_case(
    "image, volume, words",
    [
        ("redis", "./redis:/data", ["db.volumes: `./redis` is not used: what it holds stays there"]),
        (
            "redis",
            "./a.conf:/etc/a.conf",
            ["db.volumes: `./a.conf` was mounted at `/etc/a.conf`, and is not read here"],
        ),
        ("redis", "named:/data", []),
        ("prom/prometheus", "./prometheus.yml:/etc/prometheus/prometheus.yml", []),
        ("postgres", "./init.sql:/docker-entrypoint-initdb.d/init.sql", []),
        ("redis", "./healthchecks:/healthchecks", []),
    ],
)
def test_what_a_native_server_does_not_read_is_named(image: str, volume: str, words: list[str]) -> None:
    assert notes(f"db: {{image: {image}, volumes: ['{volume}']}}") == words


def test_the_steps_of_a_dockerfile_that_are_not_repeated_are_named() -> None:
    dockerfile = """\
FROM golang AS build
RUN --mount=type=cache,target=/root/.cache \\
    go mod download && go build -o /out/web .
FROM debian
RUN apt-get update && apt-get install -y   ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/web /bin/web
CMD ["/bin/web"]
"""
    assert notes("web: {build: .}", dockerfile) == [
        "web.build: its Dockerfile also runs `apt-get install -y ca-certificates`, `go mod download`, "
        "`go build -o /out/web .`; do by hand what the process needs"
    ]


def test_many_and_long_steps_are_shortened() -> None:
    steps = "".join(f"RUN make step-{number}\n" for number in range(6))
    [note] = notes("web: {build: .}", f"FROM x\nRUN {'a' * 300}\n{steps}CMD run\n")
    assert f"`{'a' * 59}…`, `make step-0`, `make step-1`, `make step-2`, 3 more; do by hand" in note


@each_case(
    "step, others",
    [
        ("rm -rf /tmp/x && useradd -m app && chown -R app /app", []),
        ("for x in a b; do make $x; done", ["for x in a b; do make $x; done"]),
        ("curl https://example.com/x.sh | sh", ["curl https://example.com/x.sh | sh"]),
        ("npm ci && npm cache clean --force", []),
    ],
)
def test_housekeeping_is_not_reported(step: str, others: list[str]) -> None:
    assert parse_dockerfile(f"FROM x\nRUN {step}\n").others == others


def test_the_port_of_a_dockerfile_can_be_moved() -> None:
    dockerfile = "FROM x\nENV PORT=80\nCMD run\n"
    found = convert(
        Document("compose.yaml", "", "/p", "services: {web: {build: ., ports: ['8081:80']}}"),
        "compose",
        {"Dockerfile": dockerfile}.get,
    )
    assert found.processes["web"]["port"] == 8081
    assert "env" not in found.processes["web"]


def test_a_service_that_others_need_completed_is_not_always_restarted() -> None:
    text = """\
services:
  migrate: {image: a, command: migrate, restart: unless-stopped}
  other: {image: a, command: x, restart: always}
  web:
    image: a
    command: x
    depends_on: {migrate: {condition: service_completed_successfully}, other: {condition: service_started}}
"""
    draft = convert(Document("compose.yaml", "", "/p", text), "compose", lambda path: None)
    assert (draft.processes["migrate"]["restart"], draft.processes["other"]["restart"]) == ("on_failure", "always")
    assert "migrate.restart: restarted on failure only: others need it completed" in map(str, draft.notes)


def whole(services: str, files: dict[str, str] | None = None) -> ProjectDraft:
    return convert(Document("compose.yaml", "", "/p", services), "compose", (files or {}).get)


def texts(draft: ProjectDraft) -> list[str]:
    return [f"{note.kind}: {note}" for note in draft.notes]


def test_servers_that_are_not_published_get_ports_of_their_own() -> None:
    found = whole(
        "services:\n  a: {image: postgres, environment: [POSTGRES_HOST_AUTH_METHOD=trust]}\n"
        "  b: {image: 'postgres:16'}\n  c: {image: postgres, ports: ['5433:5432']}\n"
        "  web: {command: run, environment: {A: 'pg://a:5432', B: 'pg://b:5432', C: 'pg://c:5432'}}\n"
    )
    assert found.processes["web"]["env"] == {
        "A": "pg://127.0.0.1:5432",
        "B": "pg://127.0.0.1:5434",
        "C": "pg://127.0.0.1:5433",
    }
    assert found.processes["b"]["health_check"]["tcp"] == 5434
    assert "-p 5434 " in found.processes["b"]["command"]
    assert "changed: b.ports: it listens on 5434: another service has 5432" in texts(found)


@each_case(
    "command, expected",
    [
        ("wait-for-it db:5432 -- run", "wait-for-it 127.0.0.1:5433 -- run"),
        ("pgweb --url=postgres://u:p@db:5432/x", "pgweb --url=postgres://u:p@127.0.0.1:5433/x"),
        ("curl http://web/up", "curl http://127.0.0.1/up"),
        ("[psql, -h, db, -U, db]", ["psql", "-h", "127.0.0.1", "-U", "db"]),
        ("x --redis-host=db --name=db", "x --redis-host=127.0.0.1 --name=db"),
        ("[sh, -c, 'nc -z db 5432']", ["sh", "-c", "nc -z 127.0.0.1 5433"]),
        ("npm run db:seed", "npm run db:seed"),
    ],
)
def test_names_of_services_in_a_command_become_this_machine(command: str, expected: str | list[str]) -> None:
    services = "services: {db: {image: postgres, ports: ['5433:5432']}, web: {build: ., command: COMMAND}}"
    found = whole(services.replace("COMMAND", command if command.startswith("[") else f"'{command}'"))
    assert found.processes["web"]["command"] == expected
    assert any("became addresses of this machine" in text for text in texts(found)) is ("127.0.0.1" in str(expected))


def test_a_health_check_may_name_its_own_service() -> None:
    found = whole(
        "services: {web: {build: ., ports: ['80:8888'], healthcheck: {test: [CMD, curl, -f, 'http://web:8888/up']}}}"
    )
    assert found.processes["web"]["health_check"] == {"http": {"port": 8888, "path": "/up"}}


def test_secrets_that_are_not_files_are_named() -> None:
    found = whole(
        "services: {web: {image: acme/web, secrets: [a, b, {source: c, target: d}], configs: [e, f]}}\n"
        "secrets: {a: {external: true}, b: {environment: B}, c: {file: ./c}}\n"
        "configs: {e: {content: x}, f: {file: ./f}}\n"
    )
    told = [text for text in texts(found) if "comes from" in text]
    assert [text.partition(" comes from ")[2].partition(":")[0] for text in told] == [
        "outside of the file",
        "the variable `B`",
        "`content` in the file",
    ]
    assert "instead of `/run/secrets/a`" in told[0]


def test_a_program_of_the_image_is_named() -> None:
    assert "to do: web.command: `/start.sh` is a file of the image: it must be here, too" in texts(
        whole("services: {web: {image: acme/web, command: /start.sh -x}}")
    )
    assert not any("of the image:" in text for text in texts(whole("services: {web: {build: ., command: /bin/sh}}")))


@each_case(
    "port, expected, words",
    [
        ("${P}:3306", 3306, "the variable in `${P}:3306` has no value: it listens on 3306 here"),
        ("${H:-127.0.0.1}:${P:-33}:3306", 33, ""),
        ("6000-6001:80", None, "`6000-6001:80` is a range, and is left out"),
        ("53:53/udp", None, "`53:53/udp` is of UDP, and is left out"),
        ("{target: 53, protocol: udp}", None, "`53` is of UDP, and is left out"),
    ],
)
def test_a_port_that_cannot_be_taken_is_named(port: str, expected: int | None, words: str) -> None:
    entry = port if port.startswith("{") else f"'{port}'"
    found = whole(f"services: {{db: {{image: mysql, ports: [{entry}]}}}}")
    assert found.processes["db"].get("port") == expected
    assert [text.partition(": db.ports: ")[2][: len(words)] for text in texts(found) if "db.ports" in text] == [words][
        : bool(words)
    ]


def test_a_server_takes_named_volumes_in_its_arguments_and_those_of_others() -> None:
    found = whole(
        "services:\n  nats: {image: nats, command: [-js, --store_dir, /data], volumes: ['js:/data']}\n"
        "  web: {image: nginx, ports: ['80:80'], volumes: ['media:/media', './conf.d:/etc/nginx/conf.d']}\n"
        "  app: {build: ., volumes: ['media:/app/media']}\n"
        "  db: {image: postgres, volumes: ['db:/var/lib/postgresql/data']}\n"
    )
    assert found.processes["nats"]["command"] == "exec nats-server -p 4222 -js --store_dir data/js"
    assert 'include "$$PWD/conf.d/*.conf";' in found.processes["web"]["command"]
    told = [text for text in texts(found) if ".volumes:" in text]
    assert [text.partition(":")[2].strip() for text in told] == [
        "web.volumes: `/media` is the folder data/media now: point the process to it",
        "app.volumes: `/app/media` is the folder data/media now: point the process to it",
    ]


def test_a_database_is_made_from_files_of_variables() -> None:
    services = "services: {db: {image: mariadb, env_file: [.db.env]}}"
    found = whole(services, {".db.env": "MYSQL_DATABASE=shop\nMYSQL_USER=ann\nMYSQL_PASSWORD=x$y\n"})
    assert "CREATE DATABASE IF NOT EXISTS shop;" in found.processes["db"]["command"]
    assert "CREATE USER IF NOT EXISTS 'ann'@'%' IDENTIFIED BY '$$MYSQL_PASSWORD'" in found.processes["db"]["command"]
    assert "env" not in found.processes["db"], "the file is read when it starts"
    assert any("`.db.env` cannot be read: the users and databases" in text for text in texts(whole(services)))
