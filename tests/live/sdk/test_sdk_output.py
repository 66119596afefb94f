"""Output through the vendor's Python SDK: run, snapshots, follow; exact, in order, to the end (contract, 3.7, 3.8)."""

from __future__ import annotations

import time

import pytest

from tests.live.sdk.clients import Sdk

MANY = 50_000
COUNT = f"i=0; while [ $i -lt {MANY} ]; do echo line $i; i=$((i+1)); done"
EXACT = f"[f'line {{each}}' for each in range({MANY})]"


@pytest.mark.parametrize(
    "call, result",
    [
        ("run('sh', ['-c', 'exit 7'])", {"exit_code": 7, "reason": "exited"}),
        ("run('sh', ['-c', 'kill -TERM $$'])", {"exit_code": -15, "reason": "signaled"}),
        ("run('sleep', ['1000'], timeout=0.05)", {"exit_code": -9, "reason": "timed_out"}),
        ("run('true', timeout=300.5)", {"exit_code": 0, "reason": "exited"}),
    ],
)
def test_how_a_run_ends(sdk: Sdk, box: str, call: str, result: dict[str, object]) -> None:
    done = sdk(f"return await sb.{call}", box)
    assert {name: done[name] for name in result} == result


def test_a_run_that_is_timed_out_goes_with_all_it_started(sdk: Sdk, box: str) -> None:
    script = "trap '' TERM; (setsid sleep 1000 &); echo up; sleep 1000; echo after"
    done = sdk(f"return await sb.run('sh', ['-c', {script!r}], timeout=0.3)", box)
    assert (done["exit_code"], done["reason"]) == (-9, "timed_out")
    assert "after" not in done["stdout"]
    assert sdk("return (await sb.daemon_info()).running_processes", box) == 0


def test_a_run_has_empty_input(sdk: Sdk, box: str) -> None:
    assert sdk("return (await sb.run('cat')).exit_code", box) == 0


def test_a_run_is_a_row_like_any_other(sdk: Sdk, box: str) -> None:
    sdk("await sb.run('echo', ['hi'])", box)
    (row,) = sdk("return await sb.list_processes()", box)
    assert (row["command"], row["args"], row["status"], row["managed"]) == ("echo", ["hi"], "exited", None)


def test_lines_without_an_end_and_empty_lines_are_lines(sdk: Sdk, box: str) -> None:
    done = sdk(r"return await sb.run('printf', [r'a\n\nb\r\n\nlast'])", box)
    assert done["stdout"] == "a\n\nb\n\nlast"


def test_snapshots_of_each_stream_and_of_both(sdk: Sdk, box: str) -> None:
    code = """
        row = await sb.start_process("sh", ["-c", "echo out; echo err >&2"])
        await sb.follow_output(row.pid)
        return [await sb.get_stdout(row.pid), await sb.get_stderr(row.pid), await sb.get_output(row.pid)]
    """
    out, err, both = sdk(code, box)
    assert (out["lines"], out["line_count"]) == (["out"], 1)
    assert (err["lines"], err["line_count"]) == (["err"], 1)
    assert (sorted(both["lines"]), both["line_count"]) == (["err", "out"], 2)
    assert out["pid"] == err["pid"] == both["pid"]


def test_only_the_follow_of_both_names_the_stream(sdk: Sdk, box: str) -> None:
    code = """
        row = await sb.start_process("sh", ["-c", "echo out; echo err >&2"])
        return [await sb.follow_output(row.pid), await sb.follow_stdout(row.pid), await sb.follow_stderr(row.pid)]
    """
    both, out, err = sdk(code, box)
    assert sorted((item["stream"], item["line"]) for item in both) == [("stderr", "err"), ("stdout", "out")]
    assert [(item["stream"], item["line"]) for item in out] == [(None, "out")]
    assert [(item["stream"], item["line"]) for item in err] == [(None, "err")]


def test_a_replayed_line_has_its_true_time(sdk: Sdk, box: str) -> None:
    before = time.time()
    code = """
        row = await sb.start_process("echo", ["hi"])
        first = [each.timestamp.timestamp() for each in await sb.follow_output(row.pid)]
        return first, [each.timestamp.timestamp() for each in await sb.follow_output(row.pid)]
    """
    first, again = sdk(code, box)
    assert first == again
    assert before - 1 <= first[0] <= time.time() + 1


def test_a_follow_waits_for_the_end_and_returns_everything(sdk: Sdk, box: str) -> None:
    code = """
        row = await sb.start_process("sh", ["-c", "read word; echo got $word"], stdin_mode=StdinMode.PIPE)
        await sb.write_stdin(row.pid, b"it\\n")
        return [each.line for each in await sb.follow_output(row.pid)]
    """
    assert sdk(code, box) == ["got it"]


def test_fifty_thousand_lines_through_run(sdk: Sdk, box: str) -> None:
    assert sdk(f"done = await sb.run('sh', ['-c', {COUNT!r}]); return done.stdout.split('\\n') == {EXACT}", box) is True


def test_fifty_thousand_lines_through_follow_live_and_replayed(sdk: Sdk, box: str) -> None:
    follow = "follow_output" if sdk.kind == "sync" else "follow_stdout"  # the host has one way for both
    code = f"""
        row = await sb.start_process("sh", ["-c", {COUNT!r}])
        live = [each.line for each in await sb.{follow}(row.pid)]
        again = [each.line for each in await sb.{follow}(row.pid)]
        kept = (await sb.get_output(row.pid)).lines
        exact = {EXACT}
        return live == exact, again == exact, kept == exact
    """
    assert sdk(code, box) == [True, True, True]


def test_a_very_long_line_arrives_whole(sdk: Sdk, box: str) -> None:
    code = "line = (await sb.run('sh', ['-c', 'head -c 3000000 /dev/zero | tr \"\\\\0\" x'])).stdout"
    assert sdk(code + "; return len(line), set(line) == {'x'}", box) == [3_000_000, True]
