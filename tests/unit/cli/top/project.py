"""A project for the tests of `top`: processes in many states, and what they have written."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.cli.top.model import TopModel
from sbxcompose.client.stats import SandboxTotal, UsageNow, UsageReport
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.spec.project import Process

NOW = 1000.0
MB = 1024 * 1024
PORTS = {"web": 8080}
ABOUT = {"web": "the web server", "worker": "sends mails, and has a description that is too long for most terminals"}


def row(name: str, phase: Phase = Phase.RUNNING, replica: int = 1, **fields: object) -> ObservedRow:
    """A row of a process that has run for two minutes."""
    pid = 4711 if phase in (Phase.RUNNING, Phase.UNHEALTHY, Phase.STARTING) else None
    found = ObservedRow(
        Instance("main", name, replica), "3f2a9c1d", f"{name}.3f2a9c1d", phase, pid=pid, started_at=880.0
    )
    return replace(found, **fields)


def entry(found: ObservedRow, label: str | None = None) -> ListedInstance:
    """A process of the list."""
    name = found.instance.process
    process = Process("main", name, ("serve",), found.digest, port=PORTS.get(name), description=ABOUT.get(name))
    return ListedInstance(found.instance, label or name, process, found)


ENTRIES = [
    entry(row("web", has_health_check=True)),
    entry(row("worker", replica=1), "worker.1"),
    entry(row("worker", replica=2, restarts=12), "worker.2"),
    entry(row("crash", Phase.BACKING_OFF, restarts=3, next_restart_at=1002.5, exit=Exit(code=1))),
    entry(row("migrate", Phase.EXITED, exit=Exit(code=0), one_shot=True)),
    ListedInstance(Instance("main", "tests"), "tests", None, None),
]
USAGE = UsageReport(
    {
        Instance("main", "web"): UsageNow(12.34, 86 * MB, 3),
        Instance("main", "worker", 1): UsageNow(0.0, 1300 * MB, 1),
        Instance("main", "worker", 2): UsageNow(None, 9 * MB, 1),
    },
    {"main": SandboxTotal(UsageNow(12.34, 1395 * MB, 5), 4, 16000 * MB)},
)
LINES = [
    ("web", 1, "listening on \x1b[32mhttp://127.0.0.1:8080\x1b[0m"),
    ("worker.1", 1, "waiting for jobs"),
    ("crash", 2, "Traceback (most recent call last): something long that does not fit on a narrow terminal at all"),
    ("*", 0, "crash exited with code 1, restarts in 2.5s"),
    ("web", 1, "GET /"),
]


def model(*, attached: bool = False) -> TopModel:
    """A model that shows all of it."""
    made = TopModel("shop", "local", attached=attached)
    made.update(ENTRIES)
    made.usage = USAGE
    for name, stream, text in LINES:
        plain = text.replace("\x1b[32m", "").replace("\x1b[0m", "")
        made.logs.add(name, stream, text, plain)
    return made
