"""The keeper's pure parts: command lines, requests, environments, and what /proc says."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
from typing import Any

import pytest

from sbxcompose.host.keeper.census import owner_of_orphan
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.keeper.explain import DEFAULT_PATH, candidates, explain
from sbxcompose.host.keeper.inherit import Inherited
from sbxcompose.host.keeper.messages import Spawn, common_environment
from sbxcompose.host.keeper.oom import KillCount
from sbxcompose.host.keeper.options import KeeperOptions, KeeperPaths, keeper_argv
from sbxcompose.host.keeper.protocol import MAX_FDS, chunked
from sbxcompose.host.keeper.serverprocess import describe, pause_before, server_environment
from sbxcompose.host.keeper.unit import Unit
from sbxcompose.host.keeper.unit_cache import CachedUnit, KnownUnits
from sbxcompose.host.keeper.unowned import may_descend_from
from sbxcompose.linux.processes import ProcessStat
from tests.support.cases import each_case

REQUEST: dict[str, Any] = {"argv": ["tool"], "cwd": "/nowhere", "uid": 1000}


def test_a_command_line_is_read_back_as_it_was_written() -> None:
    argv = keeper_argv(
        KeeperPaths("/r/host.sock", "/r/host.lock", "/r/with = and space.log"),
        ["python", "-c", "x", "--", "--tcp=1"],
        detach=True,
        tcp=8900,
        ready_fd=7,
        python="py",
    )
    assert argv[:4] == ["py", "-I", "-S", "-c"]
    options = KeeperOptions(argv[6:])
    assert (options.socket, options.lock, options.log) == (
        "/r/host.sock",
        "/r/host.lock",
        "/r/with = and space.log",
    )
    assert (options.detach, options.tcp, options.ready_fd, options.take_over) == (True, 8900, 7, -1)
    assert options.server == ["python", "-c", "x", "--", "--tcp=1"]


@pytest.mark.parametrize("more", [["--what=1", "--", "server"], ["--"]])
def test_a_bad_command_line_is_refused(more: list[str]) -> None:
    with pytest.raises(ValueError, match="unknown options"):
        KeeperOptions(["--socket=s", "--lock=l", "--log=g", *more])


def test_an_inheritance_needs_a_keeper() -> None:
    with pytest.raises(KeyError):
        Inherited.take({})


def test_what_all_environments_share_travels_once_and_nothing_is_lost() -> None:
    spawns = [
        Spawn("a", ["x"], {"PATH": "/bin", "HOME": "/root", "ONLY": "a"}),
        Spawn("b", ["x"], {"PATH": "/bin", "HOME": "/home/b"}),
        Spawn("c", ["x"], {"PATH": "/bin", "HOME": "/root", "EMPTY": ""}),
    ]
    base = common_environment(spawns)
    assert base == {"PATH": "/bin"}
    for spawn in spawns:
        written = spawn.write(base)
        assert not base.keys() & written["env"].keys()
        assert {**base, **written["env"]} == spawn.env
    assert common_environment([]) == {}


def test_meta_travels_as_text_that_the_keeper_need_not_read() -> None:
    meta = {"list": [1, None], "text": "ü\x00"}
    assert json.loads(Spawn("a", ["x"], {}, meta=meta).write({})["meta"]) == meta


@each_case(
    "counts, groups",
    [
        ([], [0]),
        ([0, 0], [0]),
        ([MAX_FDS], [MAX_FDS]),
        ([4] * 63, [4 * 62, 4]),
        ([3] * 200, [249, 249, 102]),
    ],
)
def test_no_frame_gets_more_descriptors_than_the_kernel_takes(counts: list[int], groups: list[int]) -> None:
    items = [({"n": number}, list(range(count))) for number, count in enumerate(counts)]
    chunks = chunked(items)
    assert [len(fds) for _, fds in chunks] == groups
    assert [body["n"] for bodies, _ in chunks for body in bodies] == list(range(len(counts)))


def test_a_command_is_looked_up_on_its_own_path() -> None:
    assert candidates("x", {"PATH": "/a:b::/c"}) == ["/a/x", "b/x", "./x", "/c/x"]
    assert candidates("./x", {"PATH": "/a"}) == ["./x"]
    assert candidates("x", {}) == [f"{word}/x" for word in DEFAULT_PATH.split(":")]


FULL = "resource temporarily unavailable (no more processes are allowed, see `ulimit -u`)"


@each_case(
    "failure, message, errno",
    [
        (b"OSError:2:noexec", "no such directory: /nowhere", 2),
        (b"OSError:2:noexec:chdir", "no such directory: /nowhere", 2),
        (b"OSError:D:noexec", "permission denied: /nowhere", 13),
        (b"OSError:1:noexec", "cannot become user 1000: operation not permitted", 1),
        (b"OSError:B:noexec", f"cannot become user 1000: {FULL}", 11),
        (b"OSError:2:", "command not found: tool", 2),
        (b"OSError:C:", "cannot allocate memory: tool", 12),
    ],
)
def test_what_a_child_left_of_its_failure_is_put_in_words(failure: bytes, message: str, errno: int) -> None:
    error = explain(failure, REQUEST, {"PATH": "/nowhere/bin"})
    assert (error.message, error.errno) == (message, errno)


@pytest.mark.parametrize("pty,thing", [([24, 80], "its terminal"), (None, "the limits of its sandbox")])
def test_what_could_not_be_done_in_the_child_is_named(pty: list[int] | None, thing: str) -> None:
    error = explain(b"SubprocessError:0:Exception occurred in preexec_fn.", {**REQUEST, "pty": pty}, {})
    assert (error.message, error.errno) == (f"cannot give tool {thing}", 5)


@pytest.mark.parametrize("command,words", [("ls -l", "command not found: ls -l"), ("./a b", "no such file: ./a b")])
def test_a_command_line_in_one_word_is_answered_with_the_way_to_run_it(command: str, words: str) -> None:
    error = explain(b"OSError:2:", {**REQUEST, "argv": [command]}, {"PATH": "/nowhere/bin"})
    assert error.message == f"{words} (this is one word: separate its arguments, or run it with `sh -c`)"


def test_the_host_keeps_nothing_of_the_shell_that_started_it() -> None:
    kept = {
        **{"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "XDG_RUNTIME_DIR": "/run/u", "LANG": "C.UTF-8"},
        "SBXCOMPOSE_STATE_DIR": "/s",
    }
    dropped = {
        **{"TOKEN": "s", "PYTHONPATH": "/evil", "OLDPWD": "/", "LS_COLORS": ""},
        **{"SBXCOMPOSE_UNIT": "outer", "SBXCOMPOSE_PROJECT_NAME": "p", "SBXCOMPOSE_REPLICA": "2"},
    }
    assert server_environment({**kept, **dropped}) == kept


def test_a_server_that_keeps_dying_is_started_ever_later_but_always() -> None:
    assert [pause_before(deaths) for deaths in (1, 2, 3, 4, 5, 6, 7, 1000)] == [0.0, 0.1, 0.3, 1.0, 3.0, 5.0, 5.0, 5.0]


def test_a_wait_status_in_words() -> None:
    assert describe(3 << 8) == "exit code 3"
    assert describe(signal.SIGKILL) == "signal SIGKILL"


def stat(pid: int, name: str, state: str = "S", parent: int = 1, group: int = 1, session: int = 1) -> bytes:
    rest = ["0"] * 15 + ["4711"] + ["0"] * 29 + ["1792"]
    return f"{pid} ({name}) {state} {parent} {group} {session} {' '.join(rest)}\n".encode()


@each_case("ticks, may", [([], False), ([4710], True), ([4712], True), ([4713], False), ([9, 5000], True)])
def test_a_process_can_only_be_of_a_unit_that_began_before_it(ticks: list[int], may: bool) -> None:
    units = [Unit("a", 1, 0.0, "{}") for _ in ticks]
    for unit, moment in zip(units, ticks, strict=True):
        unit.ticks = moment
    assert may_descend_from(ProcessStat(7, stat(7, "x")), units) is may


@each_case("name", ["sh", "a b", ") S 1 1 1", "((", "x) Z"])
def test_a_process_is_read_whatever_it_calls_itself(name: str) -> None:
    process = ProcessStat(12, stat(12, name, "Z", 5, 6, 7))
    assert (process.parent, process.group, process.session) == (5, 6, 7)
    assert (process.started, process.status, process.dead) == (4711, 1792, True)
    assert not ProcessStat(12, stat(12, name)).dead


def test_an_orphan_belongs_to_its_session_then_to_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbxcompose.host.keeper.census.unit_of", lambda pid, tags: f"asked {pid} {tags}")
    leaders = {7: "by session", 6: "by group"}
    assert owner_of_orphan(ProcessStat(1, stat(1, "x", group=6, session=7)), leaders, {}) == "by session"
    assert owner_of_orphan(ProcessStat(1, stat(1, "x", group=6, session=9)), leaders, {}) == "by group"
    assert owner_of_orphan(ProcessStat(1, stat(1, "x", group=8, session=9)), leaders, {5: "t"}) == "asked 1 {5: 't'}"


def test_a_unit_that_is_handed_over_is_the_same_unit() -> None:
    unit = Unit("a", 12, 1.5, '{"n":1}')
    unit.tag, unit.stop_signal, unit.deadline = 99, 15, 1e9
    unit.leader_gone, unit.status, unit.ended_at, unit.oom_killed = True, 9, 2.5, True
    unit.frozen = [[12, 100]]
    unit.limited, unit.kill_count, unit.oom_kills = True, KillCount("/group/memory.events", 3), 2
    other = Unit.handed_over(unit.describe(), {})
    assert other.describe() == unit.describe()
    assert not other.ours
    unit.clean_up.left_behind.append("13 sleep")
    end = unit.end()
    told = {"unit": "a", "pid": 12, "status": 9, "at": 2.5, "oom_killed": True, "oom_kills": 2}
    assert end == {**told, "left_behind": ["13 sleep"]}
    assert not Unit.handed_over(unit.describe(), {}).live


@pytest.mark.parametrize(
    "sent",
    [{"sigkilled": True}, {"killing": True}, {"stop_signal": 15, "deadline": 1.0}],
    ids=lambda sent: next(iter(sent)),
)
def test_a_new_keeper_knows_that_the_leader_was_sent_sigkill(sent: dict[str, Any]) -> None:
    unit = Unit("a", 12, 1.5, "{}")
    assert not Unit.handed_over(CachedUnit(unit.describe(), {}).write()[0], {}).sigkilled
    for name, value in sent.items():
        setattr(unit, name, value)
    told, _ = CachedUnit(unit.describe(), {}).write()
    assert Unit.handed_over(told, {}).sigkilled


@each_case("number", [signal.SIGKILL, signal.SIGTERM])
@each_case("stop", [False, True])
def test_a_server_remembers_whom_it_had_killed(number: int, stop: bool) -> None:
    known = KnownUnits()
    known.learn(Unit("a", 12, 1.5, "{}").describe(), [])

    class Answering(KeeperClient):
        def __init__(self) -> None:
            self._known = known

        async def _call(self, body: dict[str, Any]) -> bool:
            return bool(body["unit"] == "a")

    client = Answering()
    asyncio.run(client.stop("a", number, 60.0) if stop else client.kill("a", number))
    assert known.units["a"].sigkilled is (number == signal.SIGKILL)


@pytest.mark.parametrize("code", [errno.ESTALE, errno.ENOTCONN, errno.EIO])
def test_a_directory_that_cannot_be_entered_is_named_whatever_the_reason(code: int) -> None:
    request = {"argv": ["tool"], "cwd": "/mnt/share", "uid": None}
    words = str(explain(b"OSError:%x:noexec:chdir" % code, request, {}))
    assert words == f"{os.strerror(code).lower()}: /mnt/share"
