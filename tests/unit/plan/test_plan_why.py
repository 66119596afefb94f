"""Why is it not running, or not the way the file says."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from sbxcompose.plan.describe import seconds
from sbxcompose.plan.observed import Exit, Instance, Observed, ObservedRow, Phase, SandboxState, StartFailure
from sbxcompose.plan.why import Cause, Explanation, why
from sbxcompose.spec.project import Project, ReadyLine, Restart
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import (
    CHECK,
    COMPLETED,
    FAILED,
    GOOD,
    MISSING,
    NEVER,
    V1,
    V2,
    done,
    need,
    process,
    project,
    row,
    seen,
    world,
)

NOW = 1000.0
SHOP = project(process("web"))


def ask(shop: Project, observed: Observed, name: str = "web", replica: int = 1) -> Explanation:
    return why(shop, observed, Instance("main", name, replica), NOW)


def of_row(found: ObservedRow, shop: Project = SHOP) -> Explanation:
    return ask(shop, world(found))


def lines(*expected: str) -> str:
    return "\n".join(expected)


def test_what_completed_before_the_last_down_is_fine_and_holds_up_what_needs_it() -> None:
    shop = project(process("job", restart=NEVER), process("web", [need("job", COMPLETED)]))
    here = world(replace(done("job"), past=True))
    found = why(shop, here, Instance("main", "job"), NOW)
    assert found.cause is Cause.COMPLETED
    assert str(found).splitlines()[1] == "that was before the last `down`: `sbxcompose up` runs it again"
    assert "job has not run since the last `down`" in str(why(shop, here, Instance("main", "web"), NOW))


def test_output_that_cannot_be_written() -> None:
    found = of_row(replace(row("web"), started_at=NOW - 65, output_blocked="no space left on device"))
    assert found.cause is Cause.BLOCKED
    assert str(found) == lines(
        "web has been running for 1 min 5 s",
        "it matches the file",
        "its output cannot be written (no space left on device); it waits once its pipe is full",
        "hint: free space on the disk that holds the host's state; `sbxcompose host status` shows where that is",
    )


def test_nothing_is_wrong() -> None:
    running = replace(row("web", check=True), started_at=NOW - 65)
    found = of_row(running)
    assert found.cause is Cause.FINE
    assert str(found) == lines("web has been running for 1 min 5 s and is healthy", "it matches the file")


def test_the_limit_of_restarts_is_named_once() -> None:
    shop = project(process("web", restart=Restart(max_restarts=2)))
    given_up = replace(
        row("web", Phase.EXITED, exit=Exit(code=7, at=NOW - 4)), restarts=2, last_error="gave up after 2 restarts"
    )
    assert of_row(given_up, shop).lines[:2] == (
        "web exited with code 7 (gave up after 2 restarts), 4 s ago",
        "it is not restarted again: `max_restarts` is 2",
    )


def test_max_restarts_of_0_is_mentioned_once() -> None:
    shop = project(process("web", restart=Restart(max_restarts=0)))
    words = "not restarted: max_restarts is 0"
    last = replace(row("web", Phase.EXITED, exit=Exit(code=7, at=NOW - 4)), last_error=words)
    assert ask(shop, world(last)).lines == (f"web exited with code 7 ({words}), 4 s ago",)


def test_earlier_crashes_are_mentioned() -> None:
    running = replace(row("web", exit=FAILED), restarts=2)
    assert of_row(running).lines == (
        "web is running",
        "it was restarted 2 times, the last time after it exited with code 1",
        "it matches the file",
    )


@pytest.mark.parametrize("phase", [Phase.EXITED, Phase.BACKING_OFF])
def test_a_limit_of_memory_is_named_as_the_remedy(phase: Phase) -> None:
    short = row("web", phase, exit=Exit(code=137, at=NOW - 4, oom_kills=1))
    found = of_row(short)
    assert found.lines[0].startswith("web exited with code 137: out of memory")
    assert found.hint == "raise `resources.memory` of sandbox main, or let its processes use less"
    other = of_row(replace(short, exit=Exit(code=137, at=NOW - 4)))
    assert "memory" not in str(other)


@each_case(
    "found, cause, text",
    [
        (
            replace(row("web", Phase.STARTING), started_at=NOW - 2, last_check="connection refused"),
            Cause.STARTING,
            "web is starting; its health check saw: connection refused",
        ),
        (
            replace(row("web", Phase.UNHEALTHY), health_failures=1, last_check="status 500"),
            Cause.UNHEALTHY,
            "web is unhealthy: 1 failed health check; its health check saw: status 500",
        ),
        (
            replace(row("web", Phase.BACKING_OFF, exit=FAILED), restarts=1, next_restart_at=NOW + 0.4),
            Cause.BACKING_OFF,
            "web exited with code 1; restarts in 0.4 s (1 restart so far)",
        ),
        (
            row("web", Phase.BACKING_OFF, exit=Exit(signal=11)),
            Cause.BACKING_OFF,
            "web was killed by SIGSEGV; backing off",
        ),
        (
            row("web", Phase.STOPPED, exit=Exit(signal=15, at=NOW - 90)),
            Cause.STOPPED,
            "web was stopped on request, 1 min 30 s ago\nhint: `sbxcompose start web` starts it",
        ),
        (
            replace(
                row("web", Phase.EXITED, exit=Exit(code=2, at=NOW - 7200)),
                restarts=5,
                last_error="reached max_restarts",
            ),
            Cause.FAILED,
            "web exited with code 2 (reached max_restarts), 2 h ago\n"
            "its supervisor gave up after 5 restarts\n"
            "hint: `sbxcompose logs web` shows its output; `sbxcompose up web` starts it again",
        ),
        (
            row("web", digest=V2),
            Cause.OUTDATED,
            "web is running\nits definition in the file has changed: it runs the older one\n"
            "hint: `sbxcompose up web` replaces it",
        ),
    ],
)
def test_what_is_wrong_with_a_row(found: ObservedRow, cause: Cause, text: str) -> None:
    given = of_row(found)
    assert given.cause is cause
    assert str(given) == text


WAITING = project(process("db", ready_when=ReadyLine("accepts")), process("web", ["db"]))
DB, WEB = Instance("main", "db"), Instance("main", "web")


def test_what_is_not_ready_names_what_is_waited_for_and_holds_up_what_needs_it() -> None:
    observed = world(replace(row("db"), started_at=NOW - 12))
    found = why(WAITING, observed, DB, NOW, {DB: False})
    assert found.cause is Cause.STARTING
    assert str(found) == lines(
        "db has been running for 12 s", "it is not ready yet: waiting for a line that matches `accepts`"
    )
    found = why(WAITING, observed, WEB, NOW, {DB: False})
    assert found.cause is Cause.HELD_UP
    assert found.lines[1] == (
        "web waits until db is ready; db is running, not ready yet: waiting for a line that matches `accepts`"
    )


def test_what_is_ready_holds_nothing_up() -> None:
    observed = world(row("db"))
    found = why(WAITING, observed, DB, NOW, {DB: True})
    assert (found.cause, found.lines[1:]) == (Cause.FINE, ("it is ready", "it matches the file"))
    assert why(WAITING, observed, WEB, NOW, {DB: True}).cause is Cause.NOT_STARTED


def test_readiness_that_is_not_known_is_said_to_be_unknown() -> None:
    found = why(WAITING, world(row("db")), DB, NOW)
    assert (found.cause, found.lines[1]) == (Cause.FINE, "whether it is ready is unknown")
    assert why(WAITING, world(row("db")), WEB, NOW).cause is Cause.NOT_STARTED


def test_a_row_that_runs_twice() -> None:
    found = ask(SHOP, world(row("web"), row("web", suffix=1)))
    assert found.cause is Cause.OUTDATED
    assert "it is running 2 times" in str(found)


def test_a_policy_that_does_not_restart_is_named() -> None:
    shop = project(process("web", restart=NEVER))
    found = of_row(row("web", Phase.EXITED, exit=FAILED, digest=V2, one_shot=True), shop)
    assert found.lines == (
        "web exited with code 1",
        "its restart policy is `never`: it is not restarted",
        "its definition in the file has changed since",
    )
    on_failure = of_row(row("web", Phase.EXITED, exit=GOOD))
    assert on_failure.lines[1] == "its restart policy is `on_failure`: it is not restarted"


def test_completed_work() -> None:
    shop = project(process("web", restart=NEVER))
    assert ask(shop, world(done("web"))).cause is Cause.COMPLETED
    changed = ask(shop, world(done("web", digest=V2)))
    assert changed.cause is Cause.OUTDATED
    assert changed.hint == "`sbxcompose up` runs it again"


def test_what_holds_it_up_is_followed_to_the_root() -> None:
    shop = project(
        process("db", check=CHECK),
        process("migrate", ["db"], restart=NEVER),
        process("cache"),
        process("web", [need("migrate", COMPLETED), "cache"]),
    )
    crashed = replace(row("db", Phase.BACKING_OFF, exit=FAILED), next_restart_at=NOW + 2)
    found = ask(shop, world(crashed, row("cache")))
    assert found.cause is Cause.HELD_UP
    assert str(found) == lines(
        "web has not been started: it is held up",
        "web waits until migrate is completed; migrate has not been started",
        "migrate waits until db is ready; db exited with code 1; restarts in 2 s",
    )


def test_a_long_chain_is_cut_between_the_nearest_and_the_root() -> None:
    shop = project(*[process(f"p{n}", [f"p{n - 1}"] if n else []) for n in range(2000)])
    found = ask(shop, world(), "p1999")
    assert len(found.lines) == 10
    assert found.lines[5] == "… and so on over 1991 more …"
    assert found.lines[-1] == "p1 waits until p0 is started; p0 has not been started"


def test_a_need_in_a_sandbox_that_is_not_running() -> None:
    shop = project(process("web", [need("db", sandbox="data")]), process("db", sandbox="data"))
    found = ask(shop, Observed((seen(), seen(name="data", state=SandboxState.SUSPENDED))))
    assert found.lines[1] == ("web waits until db is started; db is in sandbox data, which is suspended")


def test_nothing_holds_it_up() -> None:
    shop = project(process("db", ready_when=ReadyLine("up")), process("web", ["db"]))
    found = ask(shop, world(row("db")))
    assert found.cause is Cause.NOT_STARTED
    assert found.hint == "`sbxcompose up web` starts it"


def test_every_replica_of_a_need_counts() -> None:
    shop = project(process("db", check=CHECK, replicas=2), process("web", ["db"]))
    assert ask(shop, world(row("db", check=True))).cause is Cause.HELD_UP


def test_profiles() -> None:
    shop = project(inactive=[process("web", profiles=("dev", "test"))])
    found = ask(shop, world())
    assert found.cause is Cause.INACTIVE
    assert str(found) == lines(
        "web is only wanted with the profile `dev` or `test`, which is not active",
        "hint: `sbxcompose start web` starts it all the same",
    )
    assert ask(shop, world(row("web"))).cause is Cause.FINE


def test_orphans_and_foreign_processes() -> None:
    found = ask(SHOP, world(row("old")), "old")
    assert found.cause is Cause.ORPHAN
    assert str(found) == lines(
        "old is no longer in the file, but is running", "hint: `sbxcompose up --remove-orphans` stops it"
    )
    assert ask(SHOP, world(), "old").cause is Cause.UNKNOWN


def test_surplus_replicas() -> None:
    found = ask(SHOP, world(row("web", replica=2)), replica=2)
    assert found.cause is Cause.SURPLUS
    assert found.lines == ("the file has 1 replica of web: web.2 is not among them", "web.2 is running")
    assert ask(SHOP, world(), replica=2).hint is None


@each_case(
    "observed, words, hint",
    [
        (MISSING, "does not exist", "`sbxcompose up` creates it"),
        (Observed((seen(state=SandboxState.TERMINATED),)), "was terminated", "`sbxcompose up` creates it"),
        (Observed((seen(state=SandboxState.SUSPENDED),)), "is suspended", "`sbxcompose up` resumes it"),
        (Observed((seen(state=SandboxState.PENDING),)), "is still being made", None),
    ],
)
def test_sandboxes_that_are_not_running(observed: Observed, words: str, hint: str | None) -> None:
    found = ask(SHOP, observed)
    assert found.cause is Cause.SANDBOX
    assert found.lines == (f"web is not running: its sandbox main {words}",)
    assert found.hint == hint


def test_an_explanation_as_json() -> None:
    assert json.loads(json.dumps(of_row(row("web", Phase.STOPPED)).to_json())) == {
        "sandbox": "main",
        "process": "web",
        "replica": 1,
        "label": "web",
        "cause": "stopped",
        "lines": ["web was stopped on request"],
        "hint": "`sbxcompose start web` starts it",
    }


@each_case(
    "span, text",
    [
        (-3, "0 s"),
        (0.04, "0 s"),
        (0.44, "0.4 s"),
        (5, "5 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (65, "1 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
    ],
)
def test_spans_of_time(span: float, text: str) -> None:
    assert seconds(span) == text


# failed starts


def failed_start(*rows: ObservedRow, digest: str = V1) -> Observed:
    command = ("sh", "-c", "./run.sh now")
    failure = StartFailure(Instance("main", "web"), digest, command, "/shop", "no such file: ./run.sh", 88.0)
    return Observed((replace(seen(*rows), failures=(failure,)),))


def test_a_start_that_failed_is_remembered_with_what_was_tried() -> None:
    found = why(project(process("web")), failed_start(), Instance("main", "web"), 100.0)
    assert found.cause is Cause.FAILED
    assert found.lines == (
        "web could not be started, 12 s ago: no such file: ./run.sh",
        "its command was `./run.sh now` in /shop",
    )
    assert found.hint == "`sbxcompose up web` tries again"


def test_what_was_tried_keeps_empty_arguments_and_quotes() -> None:
    observed = failed_start()
    (failure,) = observed.sandboxes[0].failures
    tried = replace(failure, command=("serve", "--name", "", "two words"))
    observed = Observed((replace(observed.sandboxes[0], failures=(tried,)),))
    found = why(project(process("web")), observed, Instance("main", "web"), 100.0)
    assert found.lines[1] == "its command was `serve --name '' 'two words'` in /shop"


@each_case(
    "found_row, words",
    [
        (row("web"), ("there is no file to compare it with", None)),
        (replace(row("web", Phase.EXITED), exit=FAILED), (None, "`sbxcompose logs web` shows its output")),
        (done("web"), (None, None)),
        (None, (None, None)),
    ],
)
def test_without_its_file_nothing_is_compared_and_no_hint_needs_the_file(
    found_row: ObservedRow | None, words: tuple[str | None, str | None]
) -> None:
    without_file = replace(SHOP, files=())
    rows = [found_row] if found_row is not None else []
    found = ask(without_file, world(*rows)) if rows else ask(without_file, failed_start())
    assert "matches the file" not in str(found)
    assert words[0] is None or words[0] in found.lines
    assert found.hint == words[1]


def test_a_start_that_failed_matters_more_than_the_run_before_it() -> None:
    found = why(project(process("web")), failed_start(done("web"), digest=V2), Instance("main", "web"), 100.0)
    assert found.cause is Cause.FAILED
    assert found.lines[-1] == "its definition in the file has changed since"


def test_a_new_definition_that_could_not_be_started_beside_the_old_one_is_reported() -> None:
    found = why(project(process("web", digest=V2)), failed_start(row("web"), digest=V2), Instance("main", "web"), 100.0)
    assert found.cause is Cause.OUTDATED
    assert "web could not be started, 12 s ago: no such file: ./run.sh" in found.lines


def test_what_a_stop_command_has_printed() -> None:
    stopped = replace(row("web", Phase.STOPPED, exit=Exit(code=0, at=NOW - 5)), stop_output="asking\nbye\n")
    found = of_row(stopped)
    assert found.lines == ("web was stopped on request, 5 s ago", "its stop command printed:", "  asking", "  bye")


@pytest.mark.parametrize("since", [-1, 1], ids=["before it was stopped", "after it was stopped"])
def test_what_was_stopped_is_held_up_once_what_it_needs_is_started_again(since: int) -> None:
    shop = project(process("db", check=CHECK), process("cache", ["db"]), process("web", ["cache"]))
    stopped = row("web", Phase.STOPPED, exit=Exit(code=0, at=NOW - 60))
    started = replace(row("db", Phase.STARTING), started_at=NOW - 60 + since)
    found = ask(shop, world(started, stopped))
    assert found.cause is (Cause.HELD_UP if since > 0 else Cause.STOPPED)
    if since > 0:
        assert found.lines[0] == "web is held up"
        assert found.lines[-1] == "web was stopped on request, 1 min ago"
        assert "cache waits until db is ready; db is starting" in found.lines
    else:
        assert found.lines == ("web was stopped on request, 1 min ago",)
    restarted = ask(shop, world(replace(started, restarts=1), stopped))
    assert restarted.cause is Cause.STOPPED, "its supervisor has started it again"
