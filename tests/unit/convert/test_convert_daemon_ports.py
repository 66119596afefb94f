"""Servers of a Compose file whose own arguments say on which port they listen."""

from __future__ import annotations

from sbxcompose.convert.convert import convert
from sbxcompose.convert.daemon_ports import given_port, without_port
from sbxcompose.convert.draft import ProjectDraft
from sbxcompose.spec.nodes import Document
from tests.support.cases import each_case


def converted(service: str) -> ProjectDraft:
    """The draft of a service `db`, and of one that connects to it."""
    text = f"services:\n  db: {{{service}}}\n  web: {{image: a, command: x, environment: {{URL: 'x://db:7000'}}}}\n"
    return convert(Document("compose.yaml", "", "/p", text), "compose", lambda path: None)


@each_case(
    "family, arguments, port, rest",
    [
        ("redis", "redis-server --port 7000 --save x", 7000, "redis-server --save x"),
        ("valkey", "--port 1 --port=2", 2, ""),
        ("postgres", "postgres -c port=7000 -c fsync=off", 7000, "postgres -c fsync=off"),
        ("postgres", "-p 7000 port=1", 7000, "port=1"),
        ("mysql", "--port=7000 --x", 7000, "--x"),
        ("nats", "-js -p 7000", 7000, "-js"),
        ("mongo", "mongod --replSet rs0 --port 7000", 7000, "mongod --replSet rs0"),
        ("redis", "--port ${PORT} --port 0 --port", None, "--port ${PORT} --port 0 --port"),
        ("nginx", "-p 7000", None, "-p 7000"),
    ],
)
def test_a_port_is_parted_from_the_other_arguments(family: str, arguments: str, port: int | None, rest: str) -> None:
    assert given_port(family, arguments.split()) == port
    assert without_port(family, arguments.split()) == rest.split()


@each_case(
    "service, words",
    [
        ("image: redis:7, command: redis-server --port 7000", "redis-server --port 7001 "),
        ("image: postgres, command: [postgres, -c, port=7000]", "-p 7001 "),
        ("image: mysql, command: --port=7000", "--port=7001 "),
        ("image: nats, command: [-p, '7000']", "nats-server -p 7001"),
        ("image: mongo, command: --port 7000", "--port 7001 "),
    ],
)
def test_the_server_listens_where_its_port_was_published(service: str, words: str) -> None:
    draft = converted(f"{service}, ports: ['7001:7000']")
    database = draft.processes["db"]
    assert words in database["command"]
    assert "7000" not in database["command"]
    assert (database["port"], database["health_check"]["tcp"]) == (7001, 7001)
    assert draft.processes["web"]["env"] == {"URL": "x://127.0.0.1:7001"}


def test_a_server_whose_port_is_not_published_listens_where_its_arguments_say() -> None:
    draft = converted("image: redis, command: redis-server --port 7000")
    assert draft.processes["db"]["health_check"] == {"tcp": 7000}
    assert "--port 7000 " in draft.processes["db"]["command"]
    assert draft.processes["web"]["env"] == {"URL": "x://127.0.0.1:7000"}
