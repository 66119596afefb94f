"""Terminal sessions of the host: real terminals behind real sockets (contract, section 5)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sbxcompose.api import pty
from sbxcompose.api.websocket_connect import ServerEndpoint, open_socket
from sbxcompose.errors import Refused
from tests.live.host.hosts import Box, LiveHost, client_of, live_host
from tests.live.host.sockets import Session, View, conversation, dial
from tests.support.home import Home

SAY_HI = "echo hi; read x; echo got $x; exit 7"


@pytest.mark.not_isolated
def test_a_command_has_a_terminal_and_its_end_is_reported_twice(box: Box) -> None:
    session = Session(box, "sh", "-c", f"tty; {SAY_HI}")

    async def body() -> View:
        view = await session.view()
        await view.wait_until(b"hi\r\n")
        await view.type("it\n")
        closed = await view.end()
        assert (closed.code, closed.reason) == (1000, "exit:7")
        return view

    view = conversation(body)
    assert view.exit_code == 7
    assert view.shown.startswith(b"/dev/pts/")
    assert view.shown.endswith(b"hi\r\nit\r\ngot it\r\n")
    info = session.info
    assert (info["is_alive"], info["exit_code"], info["command"]) == (False, 7, "sh")
    assert info["ended_at"] >= info["created_at"]
    assert "token" not in info


def test_a_death_by_signal_is_reported_as_shells_do(box: Box) -> None:
    session = Session(box, "sh", "-c", "kill -9 $$")

    async def body() -> None:
        view = await session.view()
        assert (await view.end()).reason == "exit:137"
        assert view.exit_code == 137

    conversation(body)


def test_backspace_takes_a_whole_character(box: Box) -> None:
    session = Session(box, "sh", "-c", "echo up; read x; echo got=$x.")

    async def body() -> None:
        view = await session.view()
        await view.wait_until(b"up\r\n")
        await view.type("hü\x7fi\n")
        await view.wait_until(b"got=hi.\r\n")
        await view.end()

    conversation(body)


def test_sizes_come_from_the_request_a_frame_or_a_call_and_are_clamped(box: Box) -> None:
    session = Session(box, "sh", "-c", "while read x; do stty size; done", rows=9999, cols=0)
    assert (session.info["rows"], session.info["cols"]) == (500, 1)

    async def body() -> None:
        view = await session.view()
        await view.type("\n")
        await view.wait_until(b"500 1\r\n")
        await view.socket.send(pty.encode_resize(cols=132, rows=43))
        await view.type("\n")
        await view.wait_until(b"43 132\r\n")
        assert box.ask("POST", f"{session.path}/resize", json={"rows": 10, "cols": 5000}).status_code == 204
        await view.type("\n")
        await view.wait_until(b"10 1000\r\n")
        await view.leave()

    conversation(body)
    assert (session.info["rows"], session.info["cols"]) == (10, 1000)


def test_nothing_is_shown_before_ready_then_all_that_was_kept(box: Box) -> None:
    session = Session(box, "sh", "-c", SAY_HI)

    async def body() -> None:
        first = await session.view()
        await first.wait_until(b"hi\r\n")
        second = await session.connect()
        await first.type("x\n")
        await first.end()
        await second.socket.send(pty.READY)
        await second.end()
        assert second.shown == first.shown
        assert second.exit_code == 7

    conversation(body)


def test_two_sockets_share_a_session_and_either_may_leave(box: Box) -> None:
    session = Session(box, "cat")

    async def body() -> None:
        one, two = await session.view(), await session.view()
        await one.type("from one\n")
        await two.wait_until(b"from one\r\n", 2)
        await one.leave()
        await two.type("from two\n")
        await two.wait_until(b"from two\r\n", 2)
        await two.leave()

    conversation(body)
    assert session.info["is_alive"]


def test_a_deleted_session_hangs_up_and_is_known_to_have_ended(box: Box) -> None:
    session = Session(box, "sh", "-c", "trap 'echo hup >said; exit' HUP; echo up; while :; do read x; done")

    async def body() -> None:
        view = await session.view()
        await view.wait_until(b"up\r\n")
        assert box.ask("DELETE", session.path).status_code == 204
        closed = await view.end()
        assert (closed.code, closed.reason) == (1001, "session terminated")

    conversation(body)
    assert box.ask("GET", "/files", params={"path": "said"}).text == "hup\n"
    info = session.info  # the Go client of Sixt asks once more
    assert (info["is_alive"], info["exit_code"] is None) == (False, False)
    assert box.ask("GET", "/pty").json() == {"sessions": []}
    assert box.ask("DELETE", session.path).status_code == 204
    assert box.refused("GET", session.path)[:2] == (404, "SESSION_NOT_FOUND")
    assert box.refused("DELETE", session.path)[:2] == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("reason", ["tea time", "ü" * 300])
def test_the_reason_of_a_deletion_is_told_to_its_sockets(box: Box, reason: str) -> None:
    session = Session(box, "sh", "-c", "echo up; exec sleep 1000", beside="web.1")
    assert session.info["beside"] == "web.1"

    async def body() -> None:
        view = await session.view()
        await view.wait_until(b"up\r\n")
        box.ask("DELETE", session.path, params={"reason": reason})
        closed = await view.end()
        assert closed.code == 1001
        assert closed.reason.startswith("stopped: ")
        assert reason.startswith(closed.reason.removeprefix("stopped: "))

    conversation(body)


def test_its_surroundings_are_those_of_a_process(box: Box) -> None:
    session = Session(box, "sh", "-c", "echo $TERM $MINE; pwd; exit", env={"MINE": "x"}, working_dir="/usr")
    other = Session(box, "sh", "-c", "echo $TERM", env={"TERM": "dumb"})

    async def body() -> None:
        view = await session.view()
        await view.end()
        assert view.shown == b"xterm-256color x\r\n/usr\r\n"
        view = await other.view()
        await view.end()
        assert view.shown == b"dumb\r\n"

    conversation(body)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_as_another_user_who_owns_the_terminal(box: Box) -> None:
    session = Session(box, "sh", "-c", "id -u; stat -L -c %u /proc/self/fd/0", user="1234:1234", working_dir="/")

    async def body() -> None:
        view = await session.view()
        await view.end()
        assert view.shown == b"1234\r\n1234\r\n"

    conversation(body)


def test_what_is_refused_is_refused_before_the_upgrade(box: Box) -> None:
    session = Session(box, "cat")

    async def refusal(path: str, headers: dict[str, str]) -> tuple[int, str | None]:
        with pytest.raises(Refused) as caught:
            await dial(box, path, headers)
        return caught.value.status, caught.value.code

    async def body() -> None:
        assert await refusal("/pty/nothing/ws", {}) == (404, "SESSION_NOT_FOUND")
        assert await refusal(f"{session.path}/ws", {}) == (403, "INVALID_TOKEN")
        assert await refusal(f"{session.path}/ws?token=wrong", {}) == (403, "INVALID_TOKEN")
        assert await refusal(f"{session.path}/ws?token={session.token}&since=x", {}) == (400, "BAD_QUERY")

    conversation(body)
    with_token = {**box.headers, "X-PTY-Token": session.token}
    plain = box.host.http.get(f"/api/v1{session.path}/ws", headers=with_token)
    assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
    upgrade = {**with_token, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"}
    old = box.host.http.get(f"/api/v1{session.path}/ws", headers={**upgrade, "Sec-WebSocket-Version": "8"})
    assert (old.status_code, old.headers["sec-websocket-version"]) == (426, "13")
    bad = box.host.http.get(f"/api/v1{session.path}/ws", headers={**upgrade, "Sec-WebSocket-Version": "13"})
    assert bad.status_code == 400


def test_bad_requests_get_a_sentence(box: Box) -> None:
    assert box.refused("POST", "/pty", json={})[0] == 422
    assert "rows" in box.refused("POST", "/pty", json={"command": "sh", "rows": "many"})[2]
    assert box.refused("POST", "/pty", json={"command": ""})[:2] == (400, "BAD_COMMAND")
    assert box.refused("POST", "/pty", json={"command": "no-such-command"})[:2] == (500, "SPAWN_FAILED")
    assert "cols" in box.refused("POST", f"{Session(box, 'cat').path}/resize", json={"rows": 1})[2]
    assert box.refused("DELETE", "/pty/nothing")[0] == 404
    assert len(box.ask("GET", "/pty").json()["sessions"]) == 1


def test_there_is_a_limit_and_an_ended_session_frees_a_place(kept_box: Box) -> None:
    sessions = [Session(kept_box, "cat") for _ in range(64)]
    assert kept_box.refused("POST", "/pty", json={"command": "cat"})[:2] == (429, "TOO_MANY_SESSIONS")
    assert kept_box.ask("DELETE", sessions[0].path).status_code == 204
    Session(kept_box, "cat")


def test_a_slow_reader_makes_the_command_wait_and_misses_nothing(box: Box) -> None:
    lines = 400_000
    # It begins when there is a reader: of what is written before that only a megabyte is kept.
    session = Session(box, "sh", "-c", f"stty -echo -onlcr; echo 0; read x; seq {lines}")

    async def body() -> None:
        view = await session.view()
        await view.wait_until(b"0\n")
        await view.type("\n")
        await view.wait_until(b"\n1000\n")
        assert session.info["is_alive"], "it has written into the void"
        await view.end()
        assert view.shown == b"".join(b"%d\n" % number for number in range(lines + 1))

    conversation(body)


def test_a_socket_that_is_not_ready_while_a_megabyte_waits_is_closed(box: Box) -> None:
    session = Session(box, "sh", "-c", "read x; head -c 3000000 /dev/zero; read x")

    async def body() -> None:
        view = await session.connect()
        await view.type("\n")
        closed = await view.end()
        assert closed.code == 1008
        assert view.shown == b""
        later = await session.view()
        assert len(await later.wait_until(b"\0", 1_000_000)) <= 2 * 1024 * 1024 + 100
        await later.leave()

    conversation(body)


def test_an_invalid_frame_is_reported_to_its_sender(box: Box) -> None:
    session = Session(box, "cat")

    async def closed_by(frame: bytes) -> int:
        view = await session.view()
        await view.socket.send(frame)
        return (await view.end()).code

    async def body() -> None:
        assert await closed_by(b"\x01\0") == 1002
        assert await closed_by(bytes(64 * 1024 + 1)) == 1009
        view = await session.view()
        await view.socket.send(b"\x7fwhat newer ones may say")
        await view.type("still there\n")
        await view.wait_until(b"still there\r\n", 2)
        await view.leave()

    conversation(body)


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_a_session_survives_the_death_of_either_part(killed_host: LiveHost, victim: str) -> None:
    box = killed_host.box()
    session = Session(box, "sh", "-c", "echo before; while read x; do echo got $x; done", rows=30, cols=90)

    async def before() -> None:
        view = await session.view()
        await view.wait_until(b"before\r\n")
        await view.socket.send(pty.encode_resize(cols=91, rows=31))
        await view.type("one\n")
        await view.wait_until(b"got one\r\n")
        info = session.info
        killed_host.kill(victim)
        assert session.info == info
        if victim == "server":
            assert (await view.end()).code == 1006
        else:
            await view.type("kept\n")
            await view.wait_until(b"got kept\r\n")
            await view.leave()

    async def after() -> None:
        view = await session.view()
        await view.type("two\n")
        shown = await view.wait_until(b"got two\r\n")
        assert shown.startswith(b"before\r\none\r\ngot one\r\n")
        rest = await session.view(f"?since={shown.index(b'two')}")
        assert int(rest.socket.headers[pty.POSITION_HEADER]) == shown.index(b"two")
        assert await rest.wait_until(b"got two\r\n") == b"two\r\ngot two\r\n"
        await rest.type("\x04")
        assert (await rest.end()).reason == "exit:0"
        await view.end()

    conversation(before)
    conversation(after)


def test_an_end_that_no_server_saw_is_reported_by_the_next_one(killed_host: LiveHost, tmp_path: Path) -> None:
    box = killed_host.box(isolation="none")
    acceptor = tmp_path / "gate"
    os.mkfifo(acceptor)
    session = Session(box, "sh", "-c", f"read x <{acceptor}; echo last words; exit 3")
    pid = killed_host.status["pid"]
    os.kill(pid, signal.SIGSTOP)  # the server hears nothing any more
    acceptor.write_text("go\n")
    os.kill(pid, signal.SIGKILL)

    async def body() -> None:
        view = await session.view()
        assert (await view.end()).reason == "exit:3"
        assert view.shown == b"last words\r\n"

    conversation(body)


def test_sessions_end_with_their_sandbox_and_keep_the_host_alive(host: LiveHost) -> None:
    box = host.box()
    session = Session(box, "cat")
    refused = host.http.post("/host/v1/stop", json={"force": False})
    assert refused.status_code == 409
    assert "cat" in refused.text

    async def body() -> None:
        view = await session.view()
        assert host.http.delete(f"/sandboxes/{box.id}").status_code == 200
        assert (await view.end()).reason == "session terminated"

    conversation(body)
    assert not (host.home.state / "sandboxes" / box.id / "terminals").exists()


def test_a_session_is_suspended_with_its_sandbox_and_a_socket_resumes_it(kept_host: LiveHost) -> None:
    box = kept_host.box()
    session = Session(box, "sh", "-c", "echo up; while read x; do echo got $x; done")

    async def body() -> None:
        view = await session.view()
        await view.wait_until(b"up\r\n")
        await view.leave()
        answer = kept_host.http.post(f"/sandboxes/{box.id}/suspend", params={"wait_ms": 10_000})
        assert answer.status_code == 200, answer.text
        assert kept_host.http.get(f"/sandboxes/{box.id}").json()["status"] == "suspended"
        view = await session.view()
        await view.type("it\n")
        await view.wait_until(b"got it\r\n")
        await view.leave()

    conversation(body)
    assert kept_host.http.get(f"/sandboxes/{box.id}").json()["status"] == "running"


def test_over_tcp_the_key_is_needed_and_pages_are_refused(host_environ: Home) -> None:
    with live_host(host_environ, port=0, key="k") as host:
        session = Session(host.box(), "cat")
        port = int(str(host.status["tcp"]).rpartition(":")[2])
        good = {"Host": "box.local", "Authorization": "Bearer k", "X-PTY-Token": session.token}

        async def status(headers: dict[str, str]) -> int:
            try:
                async with await open_socket(ServerEndpoint(port=port), f"/api/v1{session.path}/ws", headers) as socket:
                    await socket.finish()
                    return 101
            except Refused as refused:
                return refused.status

        async def body() -> None:
            assert await status(good) == 101
            assert await status({**good, "Origin": f"http://127.0.0.1:{port}"}) == 101
            assert await status({**good, "Authorization": "Bearer no"}) == 401
            assert await status({**good, "X-PTY-Token": "no"}) == 403
            assert await status({**good, "Origin": "https://example.com"}) == 403
            assert await status({**good, "Host": "example.com"}) == 403

        conversation(body)
        with client_of(tcp=f"http://127.0.0.1:{port}") as stranger:
            assert stranger.get("/api/v1/pty").status_code == 401
