"""Persisted logs through the vendor's Python SDK (contract, section 2.8)."""

from __future__ import annotations

import uuid

from tests.live.sdk.clients import Sdk

THREE = """
        row = await sb.start_process("sh", ["-c", "echo one; echo Two; echo three"], name="web")
        await sb.follow_output("web")
"""


def test_lines_are_read_in_order_with_all_that_the_models_ask_for(sdk: Sdk, box: str) -> None:
    logs = sdk(THREE + "        return (await sb.get_logs()).logs", box)
    assert [one_log["body"] for one_log in logs] == ["one", "Two", "three"]
    for log in logs:
        uuid.UUID(log["uuid"])
        assert log["timestamp"] > 0


def test_head_tail_and_search(sdk: Sdk, box: str) -> None:
    code = (
        THREE
        + """
        return [
            [each.body for each in (await sb.get_logs(head=1)).logs],
            [each.body for each in (await sb.get_logs(tail=1)).logs],
            [each.body for each in (await sb.get_logs(body="tWO")).logs],
        ]
    """
    )
    assert sdk(code, box) == [["one"], ["three"], ["Two"]]


def test_a_page_begins_where_the_last_one_ended(sdk: Sdk, box: str) -> None:
    code = (
        THREE
        + """
        first = await sb.get_logs(head=2)
        second = await sb.get_logs(head=2, next_token=first.next_token)
        return [[each.body for each in page.logs] for page in (first, second)]
    """
    )
    assert sdk(code, box) == [["one", "Two"], ["three"]]


def test_the_streams_are_the_processes(sdk: Sdk, box: str) -> None:
    code = (
        THREE
        + """
        await sb.run("echo", ["four"])
        streams = (await sb.list_log_processes()).processes
        web = next(each for each in streams if each.process_managed_name == "web")
        only = await sb.get_logs(process_ids=[web.process_id])
        return streams, [each.body for each in only.logs], row.pid
    """
    )
    streams, only, pid = sdk(code, box)
    assert only == ["one", "Two", "three"]
    web = next(stream for stream in streams if stream["process_managed_name"] == "web")
    assert (web["process_pid"], web["log_count"]) == (str(pid), 3)
    assert web["first_seen"] <= web["last_seen"]
    assert len(streams) == 2
