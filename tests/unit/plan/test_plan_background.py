"""What is said of a command that puts itself into the background."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.plan.background import background, foreground_hint
from sbxcompose.plan.observed import ObservedRow, Phase
from sbxcompose.plan.why import Cause, why
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import FAILED, GOOD, NEVER, done, process, project, row, world

POSTGRES = ("41 /usr/lib/postgresql/17/bin/postgres -D /data", "42 postgres: checkpointer", "43 postgres: walwriter")


def left(*behind: str, of: ObservedRow | None = None) -> ObservedRow:
    return replace(of or row("db", Phase.EXITED, exit=GOOD), left_behind=behind)


def test_the_processes_are_counted_by_program() -> None:
    assert background(left("7 sleep 1000")) == "it left `sleep` in the background, which was killed"
    assert background(left(*POSTGRES)) == "it left `postgres` (3 processes) in the background, which was killed"
    many = [f"{number} /opt/p{number}" for number in range(5)]
    assert background(left(*many)) == "it left `p0`, `p1`, `p2` and 2 more in the background, which was killed"


def test_only_a_run_that_exited_by_itself_with_0_has_put_itself_into_the_background() -> None:
    assert background(left()) is None
    assert background(left("7 sleep", of=row("db", Phase.EXITED, exit=FAILED))) is None
    assert background(left("7 sleep", of=row("db", Phase.STOPPED, exit=GOOD))) is None
    assert background(left("7 sleep", of=row("db", Phase.RUNNING, exit=GOOD))) is None
    assert background(left("7 sleep", of=row("db", Phase.BACKING_OFF, exit=GOOD))) is not None


@each_case(
    "command, behind, hint",
    [
        ("nginx", "7 nginx: master process nginx", "`nginx -g 'daemon off;'`"),
        ("/usr/sbin/sshd", "7 sshd", "`sshd -D`"),
        ("exec pg_ctl -D /data start", "7 postgres -D /data", "`postgres -D DIRECTORY` instead of `pg_ctl start`"),
        ("./start.sh", "7 redis-server *:6379", "`redis-server --daemonize no`"),
        ("./start.sh", "7 ours", "`--foreground`"),
    ],
)
def test_the_hint_knows_the_usual_servers(command: str, behind: str, hint: str) -> None:
    wanted = replace(process("db"), command=("sh", "-c", command))
    assert hint in foreground_hint(left(behind), wanted)


def test_why_says_it_of_a_service_and_of_a_one_shot() -> None:
    shop = project(process("db"), process("once", restart=NEVER))
    observed = world(left("7 nginx: master process"), left("8 sleep 9", of=done("once")))
    service, once = (why(shop, observed, one_row.instance, 0.0) for one_row in observed.sandboxes[0].rows)
    assert service.cause is Cause.FAILED
    assert "left `nginx` in the background" in service.lines[0]
    assert service.hint is not None
    assert "daemon off" in service.hint
    assert once.cause is Cause.COMPLETED
    assert "left `sleep` in the background" in once.lines[1]


def test_why_says_it_also_after_the_end_of_an_attached_up() -> None:
    """That end is a `down`: the run is of an earlier life of the project."""
    shop = project(process("db"), process("once", restart=NEVER))
    past = [replace(item, past=True) for item in (left("8 nginx"), left("8 sleep 9", of=done("once")))]
    service, once = (why(shop, world(*past), item.instance, 0.0) for item in past)
    assert (service.cause, once.cause) == (Cause.FAILED, Cause.COMPLETED)
    assert "left `nginx` in the background" in service.lines[1]
    assert once.hint is not None
    assert "foreground" in once.hint
