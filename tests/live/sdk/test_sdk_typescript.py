"""The vendor's TypeScript SDK: sandboxes, processes, output (contract, sections 2, 3 and 10.3)."""

from __future__ import annotations

import pytest

from tests.live.sdk.clients import ClientError, Host, Sdk
from tests.live.sdk.test_sdk_output import COUNT, MANY

EXACT = f"Array.from({{length: {MANY}}}, (_, each) => `line ${{each}}`)"
SAME = f"const same = (lines) => JSON.stringify(lines) === JSON.stringify({EXACT});"
FOLLOW = """
const follow = async (name, pid) => {
    const all = [];
    for await (const event of sb[name](pid)) all.push(event);
    return all;
};
"""


def test_create_connect_list_and_terminate(ts: Sdk, vendor_host: Host) -> None:
    code = """
        const made = await Sandbox.create({ ...options, name: "from-ts", cpus: 2, memoryMb: 512 });
        const again = await Sandbox.connect({ sandboxId: "from-ts", ...options });
        const listed = (await Sandbox.list(options)).map((each) => each.name);
        const info = await again.info();
        const status = await made.status();
        await made.terminate();
        await made.terminate();
        return { id: made.sandboxId, listed, info, status };
    """
    told = ts(code)
    assert told["id"] == told["info"]["sandboxId"]
    assert "from-ts" in told["listed"]
    assert told["status"] == "running"
    assert (told["info"]["resources"]["cpus"], told["info"]["resources"]["memoryMb"]) == (2, 512)
    assert vendor_host.http.get(f"/sandboxes/{told['id']}").json()["status"] == "terminated"


def test_run_gives_output_and_exit_code(ts: Sdk, box: str) -> None:
    done = ts("return await sb.run('sh', { args: ['-c', 'echo out; echo err >&2; exit 3'] })", box)
    assert (done["exitCode"], done["stdout"], done["stderr"]) == (3, "out", "err")
    timed = ts("return await sb.run('sleep', { args: ['1000'], timeout: 0.05 })", box)
    assert timed["exitCode"] == -9


def test_a_managed_process_from_start_to_stop(ts: Sdk, box: str) -> None:
    code = """
        const row = await sb.startProcess("sh", {
            args: ["-c", "echo up; sleep 1000 & wait"], name: "my web", workingDir: "/", env: { A: "1" },
            restart: { policy: "always", maxRestarts: 3, initialBackoffMs: 1 },
        });
        const again = await sb.restartProcess("my web");
        const listed = await sb.listProcesses();
        await sb.sendSignal("my web", 18);
        await sb.killProcess("my web");
        const ended = await sb.getProcess("my web");
        return { row, again, listed, ended };
    """
    told = ts(code, box)
    assert told["row"]["managed"]["restart"]["maxRestarts"] == 3
    assert told["again"]["managed"]["restartCount"] == 1
    assert told["again"]["pid"] != told["row"]["pid"]
    assert len(told["listed"]) == 1
    assert told["ended"]["managed"]["status"] == "stopped"


def test_input_and_the_three_outputs(ts: Sdk, box: str) -> None:
    code = (
        FOLLOW
        + """
        const row = await sb.startProcess("sh", { args: ["-c", "cat; echo err >&2"], stdinMode: "pipe" });
        await sb.writeStdin(row.pid, new TextEncoder().encode("one\\ntwo\\n"));
        await sb.closeStdin(row.pid);
        const streams = {}, names = ["followOutput", "followStdout", "followStderr"];
        for (const name of names) streams[name] = await follow(name, row.pid);
        const kept = [await sb.getStdout(row.pid), await sb.getStderr(row.pid), await sb.getOutput(row.pid)];
        return { streams, kept, row };
    """
    )
    told = ts(code, box)
    assert sorted(item["line"] for item in told["streams"]["followOutput"]) == ["err", "one", "two"]
    assert [item["line"] for item in told["streams"]["followStdout"]] == ["one", "two"]
    assert [item["line"] for item in told["streams"]["followStderr"]] == ["err"]
    assert {item["stream"] for item in told["streams"]["followOutput"]} == {"stdout", "stderr"}
    assert all("stream" not in item for item in told["streams"]["followStdout"])
    assert [item["lineCount"] for item in told["kept"]] == [2, 1, 3]


def test_fifty_thousand_lines_through_run_and_follow(ts: Sdk, box: str) -> None:
    code = f"""
        {SAME} {FOLLOW}
        const lines = async (name, pid) => (await follow(name, pid)).map((each) => each.line);
        const script = {{ args: ["-c", {COUNT!r}] }};
        const run = (await sb.run("sh", script)).stdout.split("\\n");
        const row = await sb.startProcess("sh", script);
        const live = await lines("followOutput", row.pid);
        return [same(run), same(live), same(await lines("followStdout", row.pid))];
    """
    assert ts(code, box) == [True, True, True]


def test_a_client_that_is_busy_while_lines_come_loses_none(ts: Sdk, box: str) -> None:
    code = f"""
        {SAME}
        const row = await sb.startProcess("sh", {{ args: ["-c", {COUNT!r}] }});
        const all = [];
        for await (const event of sb.followOutput(row.pid)) {{
            if (all.length === 0) {{ const end = Date.now() + 2500; while (Date.now() < end); }}
            all.push(event.line);
        }}
        return [all.length, same(all)];
    """
    assert ts(code, box) == [50_000, True]


def test_a_follow_can_be_given_up(ts: Sdk, box: str) -> None:
    code = """
        const row = await sb.startProcess("sh", { args: ["-c", "echo up; exec sleep 1000"] });
        for await (const event of sb.followOutput(row.pid)) { if (event.line === "up") break; }
        const after = await sb.getProcess(row.pid);
        await sb.killProcess(row.pid);
        return after.status;
    """
    assert ts(code, box) == "running"


def test_what_is_refused_says_why(ts: Sdk, box: str) -> None:
    for code, status in (
        ("await sb.getProcess('nope')", 404),
        ("await sb.startProcess('no-such-command')", 500),
        ("await Sandbox.list({ ...options, apiKey: 'wrong' })", 401),
    ):
        with pytest.raises(ClientError) as raised:
            ts(code, box)
        assert raised.value.status_code == status, raised.value


def test_health_and_info(ts: Sdk, box: str) -> None:
    assert ts("return (await sb.health()).healthy", box) is True
    assert ts("return (await sb.daemonInfo()).runningProcesses", box) == 0
