"""Processes through the vendor's Python SDK, synchronous and asynchronous (contract, sections 3.1 to 3.6)."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.live.sdk.clients import ClientError, Host, Sdk
from tests.support.ports import free_port

LOOP = "while :; do sleep 1000 & wait $!; done"


def started(sdk: Sdk, box: str, script: str, **fields: Any) -> dict[str, Any]:
    """Start a shell script; its ProcessInfo."""
    arguments = "".join(f", {name}={value!r}" for name, value in fields.items())
    row: dict[str, Any] = sdk(f"return await sb.start_process('sh', ['-c', {script!r}]{arguments})", box)
    return row


def row_of(sdk: Sdk, box: str, process: int | str) -> dict[str, Any]:
    """The ProcessInfo of a PID or name."""
    row: dict[str, Any] = sdk(f"return await sb.get_process({process!r})", box)
    return row


def lines_of(sdk: Sdk, box: str, process: int | str) -> list[str]:
    """All that it writes, once it has ended."""
    lines: list[str] = sdk(f"return [each.line for each in await sb.follow_output({process!r})]", box)
    return lines


def refused(sdk: Sdk, code: str, box: str) -> tuple[int | None, str | None, str]:
    """Status, code and message of a call that the SDK fails."""
    with pytest.raises(ClientError) as raised:
        sdk(code, box)
    return raised.value.status_code, raised.value.code, raised.value.message


def test_health_and_info(sdk: Sdk, box: str) -> None:
    started(sdk, box, LOOP)
    assert sdk("return await sb.health()", box) == {"healthy": True}
    info = sdk("return await sb.daemon_info()", box)
    assert (info["running_processes"], info["total_processes"]) == (1, 1)


# -- start ---------------------------------------------------------------------------------------------------------


def test_a_plain_process_from_start_to_end(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, "cat; echo out; echo err >&2; exit 3", stdin_mode="pipe")
    assert (row["status"], row["managed"], row["exit_code"]) == ("running", None, None)
    sdk(f"await sb.close_stdin({row['pid']})", box)
    assert sorted(lines_of(sdk, box, row["pid"])) == ["err", "out"]
    ended = row_of(sdk, box, row["pid"])
    assert (ended["status"], ended["exit_code"], ended["signal"]) == ("exited", 3, None)
    assert ended["handle"] == row["handle"]
    assert ended["started_at"] <= ended["ended_at"]
    assert [item["pid"] for item in sdk("return await sb.list_processes()", box)] == [row["pid"]]


def test_a_start_without_arguments_has_a_list_of_none(sdk: Sdk, box: str) -> None:
    assert sdk("return await sb.start_process('true')", box)["args"] == []


def test_environment_and_working_directory(sdk: Sdk, box: str) -> None:
    code = "return await sb.run('sh', ['-c', 'pwd; echo $A'], env={'A': 'x y'}, working_dir='/usr')"
    assert sdk(code, box)["stdout"] == "/usr\nx y"


def test_what_cannot_be_started_is_a_500_with_the_systems_words(sdk: Sdk, box: str) -> None:
    for call, words in (
        ("start_process('no-such-command')", "command not found"),
        ("run('no-such-command')", "command not found"),
        ("start_process('true', working_dir='/no/such/place')", "no such directory"),
        ("start_process('true', user='no-such-user')", "user not found: no-such-user"),
        ("run('true', user='no-such-user')", "user not found: no-such-user"),
    ):
        status, _, message = refused(sdk, f"await sb.{call}", box)
        assert status == 500, call
        assert words in message
        assert sdk("return await sb.list_processes()", box) == [], call


def test_discarded_output_is_not_kept(sdk: Sdk, box: str) -> None:
    row = sdk(
        "return await sb.start_process('sh', ['-c', 'echo out; echo err >&2'], stdout_mode=OutputMode.DISCARD)", box
    )
    assert lines_of(sdk, box, row["pid"]) == ["err"]


# -- managed -------------------------------------------------------------------------------------------------------


def test_a_managed_process_has_all_that_the_models_ask_for(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, LOOP, name="web", restart={"policy": "always", "max_restarts": 5})
    managed = row["managed"]
    assert managed["status"] in ("starting", "running")
    assert managed["restart"] == {
        "policy": "always",
        "max_restarts": 5,
        "initial_backoff_ms": 500,
        "max_backoff_ms": 30_000,
    }
    assert (managed["restart_count"], managed["health_status"], managed["last_exit"]) == (0, "disabled", None)
    assert row_of(sdk, box, "web")["pid"] == row["pid"]


def test_names_of_any_characters_are_addressed(sdk: Sdk, box: str) -> None:
    for name in ("my web", "grüße", "a.b%2Fc", "50%", "x?y#z&=+", "[1]", "run"):
        row = started(sdk, box, "cat; " + LOOP, name=name, stdin_mode="pipe")
        assert row["managed"]["name"] == name
        assert row_of(sdk, box, name)["pid"] == row["pid"]
        sdk(
            f"""
            await sb.write_stdin({name!r}, b"hello\\n")
            await sb.close_stdin({name!r})
            while not (await sb.get_stdout({name!r})).lines:
                pass
            """,
            box,
        )
        again = sdk(f"return await sb.restart_process({name!r})", box)
        assert again["pid"] != row["pid"]
        assert again["stdin_writable"]
        assert sdk(f"return (await sb.send_signal({name!r}, {signal.SIGCONT:d})).success", box) is True
        sdk(f"await sb.kill_process({name!r})", box)
        assert row_of(sdk, box, name)["managed"]["status"] == "stopped"
        assert lines_of(sdk, box, name) == ["hello"]


def test_a_crash_is_restarted_and_the_name_stays(sdk: Sdk, box: str) -> None:
    script = "echo run; exit 7"
    restart = {"policy": "on_failure", "max_restarts": 2, "initial_backoff_ms": 1, "max_backoff_ms": 1}
    row = started(sdk, box, script, name="web", restart=restart)
    assert lines_of(sdk, box, "web") == ["run"] * 3
    ended = row_of(sdk, box, "web")
    assert ended["managed"]["status"] == "stopped"
    assert ended["managed"]["restart_count"] == 2
    assert ended["managed"]["last_exit"]["exit_code"] == 7
    assert "gave up after 2 restarts" in ended["managed"]["last_error"]
    assert ended["pid"] != row["pid"]
    assert len(sdk("return await sb.list_processes()", box)) == 1


def test_backing_off_says_until_when(sdk: Sdk, box: str) -> None:
    started(sdk, box, "exit 1", name="web", restart={"initial_backoff_ms": 600_000, "max_backoff_ms": 600_000})
    row = sdk(
        """
        while True:
            row = await sb.get_process("web")
            if row.managed.status == "backing_off":
                return row
        """,
        box,
    )
    assert row["status"] == "exited"
    assert row["managed"]["next_restart_at"] > row["ended_at"]
    status, _, _ = refused(sdk, "await sb.send_signal('web', 15)", box)
    assert status == 400
    again = sdk("return await sb.restart_process('web')", box)
    assert again["managed"]["restart_count"] == 1
    sdk("await sb.kill_process('web')", box)


def test_a_clean_exit_is_not_restarted_on_failure(sdk: Sdk, box: str) -> None:
    started(sdk, box, "exit 0", name="web")
    assert lines_of(sdk, box, "web") == []
    assert row_of(sdk, box, "web")["managed"]["status"] == "stopped"


def test_a_restart_policy_alone_makes_it_managed_and_addressed_by_pid(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, LOOP, restart={"policy": "always"})
    assert row["managed"]["name"] is None
    assert sdk(f"return await sb.restart_process({row['pid']})", box)["managed"]["restart_count"] == 1


def test_health_checks_over_http_and_tcp(sdk: Sdk, box: str) -> None:
    for kind, more in (("tcp", {}), ("http", {"path": "/"})):
        check = {"type": kind, "interval_ms": 20, "initial_delay_ms": 0, "failure_threshold": 1000, **more}
        check["port"] = free_port()
        row = sdk(
            f"""
            check = {check!r}
            server = ["-m", "http.server", "--bind", "127.0.0.1", str(check["port"])]
            await sb.start_process("python3", server, name={kind!r}, health_check=check)
            while True:
                row = await sb.get_process({kind!r})
                if row.managed.health_status == "healthy":
                    return row
            """,
            box,
        )
        assert row["managed"]["health_check"]["type"] == kind
        assert row["managed"]["consecutive_health_failures"] == 0


def test_an_unhealthy_process_is_restarted(sdk: Sdk, box: str) -> None:
    check = {"type": "tcp", "port": 1, "interval_ms": 1, "initial_delay_ms": 0, "failure_threshold": 2}
    row = started(
        sdk,
        box,
        "exec sleep 1000",
        name="web",
        health_check=check,
        restart={"max_restarts": 1, "initial_backoff_ms": 1},
    )
    assert row["managed"]["health_status"] in ("starting", "unhealthy")
    assert lines_of(sdk, box, "web") == []  # which waits for its end
    ended = row_of(sdk, box, "web")
    assert (ended["managed"]["health_status"], ended["managed"]["restart_count"]) == ("unhealthy", 1)
    assert "unhealthy" in ended["managed"]["last_error"]


def test_a_live_name_is_a_conflict_and_a_stopped_one_is_free(sdk: Sdk, box: str) -> None:
    started(sdk, box, LOOP, name="web")
    assert refused(sdk, "await sb.start_process('true', name='web')", box)[:2] == (409, "ALREADY_EXISTS")
    sdk("await sb.kill_process('web')", box)
    started(sdk, box, LOOP, name="web")
    assert len(sdk("return await sb.list_processes()", box)) == 1


def test_an_unmanaged_process_is_not_restarted(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, LOOP)
    assert refused(sdk, f"await sb.restart_process({row['pid']})", box)[:2] == (400, "NOT_MANAGED")


# -- ending --------------------------------------------------------------------------------------------------------


def test_kill_ends_a_plain_process_and_what_left_it(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, "(setsid sleep 1000 &); trap '' TERM; echo up; sleep 1000")
    sdk(f"await sb.kill_process({row['pid']})", box)
    ended = row_of(sdk, box, row["pid"])
    assert (ended["status"], ended["signal"], ended["exit_code"]) == ("signaled", signal.SIGKILL, None)
    sdk(f"await sb.kill_process({row['pid']})", box)


def test_kill_sends_a_managed_process_its_stop_signal(sdk: Sdk, box: str) -> None:
    started(
        sdk,
        box,
        "trap 'echo bye; exit 0' TERM; echo up; sleep 1000 & wait",
        name="web",
        restart={"policy": "always"},
    )
    sdk(
        """
        while not (await sb.get_stdout("web")).lines:
            pass
        await sb.kill_process("web")
        """,
        box,
    )
    row = row_of(sdk, box, "web")
    assert (row["exit_code"], row["managed"]["status"]) == (0, "stopped")
    assert lines_of(sdk, box, "web") == ["up", "bye"]


def test_a_signal_is_delivered_to_the_group(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, "trap 'echo usr; exit 5' USR1; echo up; sleep 1000 & wait")
    sdk(
        f"""
        while not (await sb.get_stdout({row["pid"]})).lines:
            pass
        await sb.send_signal({row["pid"]}, {signal.SIGUSR1:d})
        """,
        box,
    )
    assert lines_of(sdk, box, row["pid"]) == ["up", "usr"]
    assert row_of(sdk, box, row["pid"])["exit_code"] == 5
    assert refused(sdk, f"await sb.send_signal({row['pid']}, 15)", box)[0] == 400


def test_an_unknown_signal(sdk: Sdk, box: str) -> None:
    row = started(sdk, box, LOOP)
    assert refused(sdk, f"await sb.send_signal({row['pid']}, 99)", box)[:2] == (400, "INVALID_SIGNAL")


@pytest.mark.parametrize(
    "call",
    [
        "get_process(4711)",
        "get_process('no such')",
        "kill_process('nope')",
        "restart_process('nope')",
        "send_signal('nope', 1)",
        "write_stdin('nope', b'x')",
        "close_stdin('nope')",
        "get_output('nope')",
        "follow_output('nope')",
    ],
)
def test_an_unknown_process_is_a_404(sdk: Sdk, box: str, call: str) -> None:
    status, code, message = refused(sdk, f"await sb.{call}", box)
    assert (status, code) == (404, "NOT_FOUND")
    assert "not found" in message


# -- standard input ------------------------------------------------------------------------------------------------


def test_input_of_any_bytes_is_written_and_closed(sdk: Sdk, box: str) -> None:
    code = """
        row = await sb.start_process("sh", ["-c", "exec od -An -v -tx1 -w256"], stdin_mode=StdinMode.PIPE)
        assert row.stdin_writable
        await sb.write_stdin(row.pid, bytes(range(128)))
        await sb.write_stdin(row.pid, bytes(range(128, 256)))
        await sb.close_stdin(row.pid)
        lines = [each.line for each in await sb.follow_stdout(row.pid)]
        return lines, (await sb.get_process(row.pid)).stdin_writable
    """
    lines, writable = sdk(code, box)
    assert bytes.fromhex("".join(lines)) == bytes(range(256))
    assert writable is False


@pytest.mark.parametrize("mode", ["closed", "pipe"])
def test_input_that_is_not_open_is_refused(sdk: Sdk, box: str, mode: str) -> None:
    row = started(sdk, box, "exec sleep 1000", stdin_mode=mode)
    if mode == "pipe":
        sdk(f"await sb.close_stdin({row['pid']})", box)
    for call in (f"write_stdin({row['pid']}, b'x')", f"close_stdin({row['pid']})"):
        assert refused(sdk, f"await sb.{call}", box)[:2] == (400, "STDIN_NOT_WRITABLE")


# -- who may, and where --------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused(sdk: Sdk, box: str) -> None:
    for call in ("connect('{box}', api_key='wrong')", "create(api_key='wrong')"):
        assert refused(sdk, f"await Sandbox.{call.format(box=box)}", box)[:2] == (401, "UNAUTHORIZED")


def test_an_unknown_sandbox_is_its_own_exception(sdk: Sdk, box: str) -> None:
    with pytest.raises(ClientError) as raised:
        sdk("await Sandbox.connect('no-such-box')", box)
    assert raised.value.type == "SandboxNotFoundError"


def test_a_sandbox_is_addressed_by_name_through_an_explicit_proxy(sdk: Sdk, box: str, vendor_host: Host) -> None:
    code = f"return (await (await Sandbox.connect(box, proxy_url={vendor_host.url!r})).run('echo', ['hi'])).stdout"
    assert sdk(code, box) == "hi"


def test_double_slashes_and_prefixes_of_the_address(sdk: Sdk, box: str, vendor_host: Host) -> None:
    code = f"return (await (await Sandbox.connect(box, api_url={vendor_host.url + '/'!r})).run('echo', ['hi'])).stdout"
    assert sdk(code, box) == "hi"


def test_bytes_that_are_not_utf8_are_replaced(sdk: Sdk, box: str) -> None:
    assert sdk("return (await sb.run('printf', [r'a\\377b\\n'])).stdout", box) == "a\ufffdb"
