"""What the report on a Compose file says of volumes and of Dockerfiles: nothing is lost in silence."""

from __future__ import annotations

import pytest

from sbxcompose.convert.convert import convert
from sbxcompose.convert.dockerfile import parse_dockerfile
from sbxcompose.spec.nodes import Document


def notes(services: str, dockerfile: str | None = None) -> list[str]:
    """The notes on volumes and builds of a Compose file, whose Dockerfile may be given."""
    read = {"Dockerfile": dockerfile}.get
    found = convert(Document("compose.yaml", "", "/p", f"services: {{{services}}}"), "compose", read)
    return [str(note) for note in found.notes if note.subject.endswith((".volumes", ".build"))]


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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
        "`go build -o /out/web .`: do here what the process needs of it"
    ]


def test_many_and_long_steps_are_shortened() -> None:
    steps = "".join(f"RUN make step-{number}\n" for number in range(6))
    [note] = notes("web: {build: .}", f"FROM x\nRUN {'a' * 300}\n{steps}CMD run\n")
    assert f"`{'a' * 59}…`, `make step-0`, `make step-1`, `make step-2`, 3 more: do here" in note


@pytest.mark.parametrize(
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
