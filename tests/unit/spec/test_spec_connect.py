"""`connect`: what the file may say, and the processes that carry the connections."""

from __future__ import annotations

from sbxcompose.spec.connect import PortLink, SandboxPlace
from sbxcompose.spec.machine import PortConnection
from sbxcompose.spec.project import CONNECTORS, Condition, Dependency, Process, Project
from sbxcompose.spec.resolved import resolved
from tests.support.cases import each_case
from tests.support.spec_files import load, mistakes

DB = "main: {processes: {db: {command: db, port: 5432}, cache: {command: cache}}}"
AGENT = "processes: {agent: {command: agent, depends_on: [main/db]}}"


def mixed(connect: str, more: str = "", agent: str = AGENT) -> str:
    lines = ["name: shop", "sandboxes:", f"  {DB}", "  agent:", "    provider: tensorlake"]
    return "\n".join([*lines, f"    connect: {connect}", f"    {more}", f"    {agent}", ""])


def connectors(project: Project) -> dict[str, Process]:
    return {process.name: process for process in project.every_process() if process.is_connector}


def connections(connect: str) -> tuple[PortConnection, ...]:
    return next(sandbox.connect for sandbox in load(mixed(connect)).sandboxes if sandbox.name == "agent")


@each_case(
    "connect, expected",
    [
        ("{db: 5432}", [PortConnection("db", "main", 5432, 5432)]),
        ("{main/db: '5432'}", [PortConnection("main/db", "main", 5432, 5432)]),
        ("{main: [5432, {port: 6379, listen: 16379}]}", [
            PortConnection("main", "main", 5432, 5432), PortConnection("main", "main", 6379, 16379)
        ]),
        ("{db: {port: 54}, cache: 1}", [PortConnection("db", "main", 54, 54), PortConnection("cache", "main", 1, 1)]),
    ],
)  # fmt: skip
def test_a_port_is_named_in_short_or_in_full(connect: str, expected: list[PortConnection]) -> None:
    assert list(connections(connect)) == expected


def test_what_runs_in_the_consumer_waits_for_its_connector_and_that_for_its_setup() -> None:
    project = load(mixed("{db: 5432}", "setup: [install]"))
    (connector,) = connectors(project).values()
    assert connector.command == ("python3", "-m", "sbxcompose.client.connect", "agent:tensorlake:shop-agent",
                                 "5432=main:here:shop-main:5432")  # fmt: skip
    assert connector.depends_on == (Dependency("agent", "@setup1", Condition.COMPLETED),)
    agent = project.process("agent", "agent")
    assert agent is not None
    assert agent.depends_on[-1] == Dependency(CONNECTORS, "@connect-agent", Condition.READY)
    setup = project.process("agent", "@setup1")
    assert setup is not None
    assert setup.depends_on == ()
    holder = project.sandboxes[-1]
    assert (holder.name, holder.full_name, project.provider_of(holder)) == (CONNECTORS, "shop-connect", "local")


def test_the_digest_of_a_connector_is_that_of_its_connections_and_of_no_other_process() -> None:
    def digests(text: str) -> dict[str, str]:
        return {process.name: process.digest for process in load(text).every_process()}

    before, after = digests(mixed("{db: 5432}")), digests(mixed("{db: 5433}"))
    assert {name for name in before if before[name] != after[name]} == {"@connect-agent"}
    assert digests(mixed("{db: 5432}")) == digests(mixed("{main/db: {port: 5432}}"))


def test_two_sandboxes_of_this_machine_that_share_its_network_need_no_connector() -> None:
    text = f"name: shop\nsandboxes:\n  {DB}\n  agent:\n    connect: {{db: 5432}}\n    {AGENT}\n"
    assert connectors(load(text)) == {}
    assert len(load(text).sandboxes) == 2
    assert list(connectors(load(text.replace("{db: 5432}", "{db: {port: 5432, listen: 5433}}")))) == ["@connect"]
    assert connectors(load(mixed("{db: 5432}"), provider="local")) == {}
    apart = text.replace("connect:", "network: {allow_internet_access: false}\n    connect:")
    (connector,) = connectors(load(apart)).values()
    assert connector.command[3:] == ("agent:local:shop-agent", "5432=main:here:shop-main:5432")


def test_sandboxes_that_share_a_network_share_its_listeners() -> None:
    text = f"""
sandboxes:
  db: {{network: {{allow_internet_access: false}}, processes: {{db: {{command: db, port: 5432}}}}}}
  one: {{connect: {{db: 5432}}, {AGENT.replace("main/db", "db/db")}}}
  two: {{connect: {{db: [5432, 6000]}}, processes: {{other: {{command: other}}}}}}
"""
    (connector,) = connectors(load(text)).values()
    target = "db:local:shop-db"
    assert connector.command[3:] == ("here", f"5432={target}:5432", f"6000={target}:6000")


def test_the_connector_of_a_stopped_process_is_not_running() -> None:
    project = load(mixed("{db: 5432}", agent="processes: {agent: {command: agent, profiles: [ai]}}"))
    assert [process.name for process in project.inactive] == ["agent", "@connect-agent"]
    assert "@connect/@connect-agent" in project.disabled


@each_case(
    "connect, message",
    [
        ("{dbx: 5432}", "no process or sandbox is named `dbx`"),
        ("{agent: 5432}", "`agent` is in this sandbox"),
        ("{db: 5432, cache: 5432}", "port 5432 already leads to db"),
        ("{db: 0}", "must be at least 1"),
        ("{db: '5433:5432'}", "`5433:5432` maps a port"),
        ("{db: {port: 1, listen: 9501}}", "port 9501 is the sandbox's own"),
        ("{db: {listen: 5432}}", "`port` is missing"),
        ("[db]", "must be a mapping"),
    ],
)
def test_a_connection_that_cannot_be_is_a_mistake(connect: str, message: str) -> None:
    found = mistakes(mixed(connect))
    assert len(found) == 1
    assert message in str(found[0])


def test_a_port_that_another_has_in_the_same_network_is_a_mistake() -> None:
    own = mistakes(mixed("{db: 5432}", agent="processes: {agent: {command: agent, port: 5432}}"))
    assert "port 5432 is taken: `agent` has that `port`" in str(own)
    text = """
sandboxes:
  one: {network: {allow_internet_access: false}, processes: {a: {command: a}}}
  two: {network: {allow_internet_access: false}, processes: {b: {command: b}}}
  three: {connect: {a: 80}, processes: {c: {command: c}}}
  four: {connect: {b: 80}, processes: {d: {command: d}}}
"""
    assert "port 80 is taken: that port already leads to one:80" in str(mistakes(text))
    assert mistakes(text.replace("{b: 80}", "{a: 80}")) == []


def test_config_shows_the_connections_and_not_what_carries_them() -> None:
    shown = resolved(load(mixed("{db: {port: 5432, listen: 5433}}")))
    assert list(shown["sandboxes"]) == ["main", "agent"]
    assert shown["sandboxes"]["agent"]["connect"] == {"db": [{"port": 5432, "listen": 5433}]}
    assert list(shown["sandboxes"]["agent"]["processes"]["agent"]["depends_on"]) == ["main/db"]


def test_a_name_that_the_file_has_taken_is_not_given_to_the_sandbox_of_the_connectors() -> None:
    text = mixed("{db: 5432}") + "  connect: {processes: {x: {command: x}}}\n"
    assert load(text).sandboxes[-1].full_name == "shop-connect-x"


def test_a_link_is_written_and_read_as_a_word() -> None:
    for link in (
        PortLink(5432, SandboxPlace("main", "local", "shop-main", here=True), 5433),
        PortLink(80, SandboxPlace("agent", "tensorlake", "shop-agent"), 8080),
    ):
        assert PortLink.parse(str(link)) == link
