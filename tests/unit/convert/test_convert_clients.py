"""Services of a Compose file that run a client of a known server, and no server."""

from __future__ import annotations

from typing import Any

from tests.support.cases import each_case
from tests.unit.convert.test_convert_compose import converted


@each_case(
    "image, command, expected",
    [
        ("postgres", "psql -h db -f seed.sql", "psql -h db -f seed.sql"),
        ("redis", "[redis-cli, ping]", ["redis-cli", "ping"]),
        ("mongo", "mongosh --eval 1", "mongosh --eval 1"),
        ("nginx", "sleep 9", "sleep 9"),
    ],
)
def test_a_client_of_a_servers_image_keeps_its_command(image: str, command: str, expected: Any) -> None:
    found = converted(f"services: {{one: {{image: {image}}}, job: {{image: {image}, command: {command}}}}}")
    assert found.processes["job"] == {"command": expected, "restart": "never"}
    assert not any(str(note).startswith("one.ports") for note in found.notes)
