"""Sandboxes in the cloud: known by the id of what was made, prepared once, and never left behind unusable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.retries import RequestRetry
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.settings import read_settings
from sbxcompose.client.commands import is_missing_command
from sbxcompose.engine import cloud as clouds
from sbxcompose.engine import create_undo, suspended
from sbxcompose.engine.cloud import CloudProvider
from sbxcompose.errors import Refused, Unsupported
from sbxcompose.spec.machine import FileSystem, Resources
from sbxcompose.spec.project import Sandbox
from tests.support.cases import each_case
from tests.support.fake_cloud import URL, FakeCloud, FakeReply

APP = Sandbox("app", "shop-app", ())
T = TypeVar("T")


def row(status: str, name: str | None = None) -> dict[str, Any]:
    """Return a row of a daemon's list of processes."""
    found: dict[str, Any] = {"pid": 7, "status": status, "command": "sh", "started_at": 1795000000000}
    if name is not None:
        never = {"policy": "never"}
        found["managed"] = {"id": "1", "name": name, "status": "stopped", "restart_count": 0, "restart": never}
    return found


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    made = FakeCloud()
    monkeypatch.setattr(clouds, "CloudChannel", lambda *_, **__: made)
    monkeypatch.setattr(suspended, "FIRST_PAUSE", 0.0)
    return made


def using(body: Callable[[CloudProvider], Awaitable[T]]) -> T:
    async def main() -> T:
        provider = CloudProvider(read_settings({"TENSORLAKE_API_URL": URL, "TENSORLAKE_API_KEY": "k"}))
        return await body(provider)

    return asyncio.run(main())


def create(cloud: FakeCloud) -> SandboxInfo:
    return using(lambda provider: provider.create(APP))


class TestId:
    def test_what_was_made_is_looked_at_by_its_id(self, cloud: FakeCloud) -> None:
        assert create(cloud).id == "id1"
        assert cloud.log[1] == "GET /v1/namespaces/default/sandboxes/id1"
        assert not [request for request in cloud.log if request.endswith("shop-app")]

    def test_a_sandbox_that_is_not_known_at_once_is_waited_for(self, cloud: FakeCloud) -> None:
        cloud.unseen = 3
        assert create(cloud).status == "running"

    def test_a_new_sandbox_is_never_the_one_that_was_just_ended(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def body(provider: CloudProvider) -> list[str]:
            first = await provider.create(APP)
            cloud.late = 10_000  # longer than anybody waits
            await provider.terminate(APP)
            assert await provider.find(APP) is None
            second = await provider.create(APP)
            await provider.resume(APP)
            return [first.id, second.id]

        monkeypatch.setattr(suspended, "SETTLING", 0.0)
        assert using(body) == ["id1", "id2"]
        assert "POST /v1/namespaces/default/sandboxes/id2/resume?wait_ms=30000" in cloud.log

    def test_a_terminate_returns_once_the_name_is_free(self, cloud: FakeCloud) -> None:
        async def body(provider: CloudProvider) -> None:
            await provider.create(APP)
            cloud.late = 4
            await provider.terminate(APP)

        using(body)
        assert cloud.late == 0
        assert cloud.running == []

    def test_what_is_not_there_is_not_terminated(self, cloud: FakeCloud) -> None:
        using(lambda provider: provider.terminate(APP))
        assert cloud.log == ["GET /v1/namespaces/default/sandboxes/shop-app"]


class TestInterrupted:
    """What is cancelled leaves no sandbox that costs money."""

    def cancelled_when(self, cloud: FakeCloud, begun: Callable[[], bool]) -> None:
        async def body(provider: CloudProvider) -> None:
            creating = asyncio.ensure_future(provider.create(APP))
            while not begun():
                await asyncio.sleep(0)
            creating.cancel()
            await asyncio.sleep(0)
            if cloud.hold is not None:
                cloud.hold.set()
            with pytest.raises(asyncio.CancelledError):
                await creating
            assert await provider.find(APP) is None
            await provider.close()

        using(body)
        assert cloud.running == []

    def test_a_sandbox_that_is_pending(self, cloud: FakeCloud) -> None:
        cloud.pending = ["scheduling"] * 100_000
        self.cancelled_when(cloud, lambda: len(cloud.log) > 3)

    def test_a_sandbox_whose_create_is_not_answered_yet(self, cloud: FakeCloud) -> None:
        cloud.hold = asyncio.Event()
        self.cancelled_when(cloud, lambda: bool(cloud.sandboxes))

    @pytest.mark.parametrize("unlisted", [0, 3], ids=["known", "known late"])
    def test_a_sandbox_whose_create_is_never_answered(self, cloud: FakeCloud, unlisted: int) -> None:
        cloud.hold, cloud.losing, cloud.unlisted = asyncio.Event(), 1, unlisted
        self.cancelled_when(cloud, lambda: bool(cloud.sandboxes))

    def test_a_sandbox_that_is_looked_for_after_its_answer_was_lost(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(RequestRetry, "pause", lambda *_: 1000.0)
        cloud.losing, cloud.unlisted = 1, 2
        self.cancelled_when(cloud, lambda: cloud.unlisted == 1)

    def test_a_sandbox_that_turns_out_to_be_there_when_it_is_created_again(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(RequestRetry, "pause", lambda *_: 0.0)
        cloud.losing, cloud.unlisted, cloud.pending = 1, 1, ["scheduling"] * 100_000
        self.cancelled_when(cloud, lambda: len(cloud.asked) == 2 and len(cloud.log) > 6)

    @pytest.mark.parametrize(
        "fails, words",
        [("looked for", "was not found, but its creation was requested"), ("ended", "could not be ended")],
    )
    def test_a_sandbox_that_may_be_left_is_named(
        self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, fails: str, words: str
    ) -> None:
        told: list[str] = []

        async def body(provider: CloudProvider) -> None:
            provider.listen(lambda sandbox, text, pending: told.append(text))
            creating = asyncio.ensure_future(provider.create(APP))
            while not cloud.sandboxes:
                await asyncio.sleep(0)
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating

        async def refused(lifecycle: Lifecycle, name: str) -> None:
            raise Refused("not allowed", status=403)

        monkeypatch.setattr(create_undo, "FINAL_POLLS", 0.0)
        monkeypatch.setattr(Lifecycle, "terminate", refused)
        cloud.pending = ["scheduling"] * 100_000
        if fails == "looked for":
            cloud.losing, cloud.unlisted = 1, 100_000
            monkeypatch.setattr(RequestRetry, "pause", lambda *_: 1000.0)
        using(body)
        assert "it may be running: `sbxcompose down --terminate` ends it" in told[-1]
        assert told[-1].startswith(words.replace("ended", "terminated: not allowed"))


class TestTwoClients:
    """Two commands that need the same sandbox; the first creates it and is interrupted."""

    def interrupt_first(self, cloud: FakeCloud, waits: Callable[[], bool]) -> list[str]:
        """Return what the second is told; `waits` says when the first is interrupted."""
        told: list[str] = []

        async def body(first: CloudProvider) -> None:
            second = CloudProvider(read_settings({"TENSORLAKE_API_URL": URL, "TENSORLAKE_API_KEY": "k"}))
            second.listen(lambda sandbox, text, pending: told.append(f"{text} <{pending}>"))
            creating = asyncio.ensure_future(first.create(APP))
            while not cloud.sandboxes:
                await asyncio.sleep(0)
            joining = asyncio.ensure_future(second.create(APP))
            while not waits():
                await asyncio.sleep(0)
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating
            cloud.pending = []
            assert (await joining).id == "id2"

        using(body)
        return told

    def test_one_whose_id_is_not_known_yet_is_waited_for(self, cloud: FakeCloud) -> None:
        async def body(second: CloudProvider) -> str:
            cloud._create({"name": APP.full_name})  # by another client
            cloud.unseen = 3
            return (await second.create(APP)).id

        assert using(body) == "id1"
        assert len(cloud.asked) == 2

    def test_the_second_makes_its_own(self, cloud: FakeCloud) -> None:
        cloud.pending = ["scheduling"] * 100_000
        told = self.interrupt_first(cloud, lambda: len(cloud.asked) == 2 and len(cloud.log) > 9)
        assert told[-1] == "was terminated before it was running; creating another <>"  # no reason is left
        assert cloud.running == ["id2"]

    def test_also_while_the_name_still_leads_to_the_first(self, cloud: FakeCloud) -> None:
        cloud.pending, cloud.late = ["scheduling"] * 100_000, 3
        self.interrupt_first(cloud, lambda: len(cloud.asked) == 2 and len(cloud.log) > 9)
        assert cloud.running == ["id2"]

    def test_also_after_a_long_wait(self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        passed = 0.0

        def waits() -> bool:
            nonlocal passed
            if len(cloud.asked) == 2 and len(cloud.log) > 9:
                passed = 10 * suspended.SETTLING
            return passed > 0

        monkeypatch.setattr(clouds, "monotonic", lambda: time.monotonic() + passed)
        cloud.pending, cloud.taken = ["scheduling"] * 100_000, 3
        self.interrupt_first(cloud, waits)
        assert cloud.running == ["id2"]

    @pytest.mark.parametrize(
        "rows, left",
        [
            ([], []),
            ([row("running")], ["id1"]),
            ([row("exited", "web.1.3f2a9c1d")], ["id1"]),
            ([row("exited", "@probe.00000000"), row("running", "@probe.00000000"), row("exited")], []),
        ],
        ids=["empty", "running", "of a file", "only what prepares it"],
    )
    def test_a_sandbox_that_another_client_uses_by_now_is_left(
        self, cloud: FakeCloud, rows: list[dict[str, Any]], left: list[str]
    ) -> None:
        async def body(provider: CloudProvider) -> None:
            creating = asyncio.ensure_future(provider.create(APP))
            while not cloud.sandboxes:
                await asyncio.sleep(0)
            cloud.rows, cloud.pending = rows, []
            creating.cancel()
            with pytest.raises(asyncio.CancelledError):
                await creating

        cloud.pending = ["scheduling"] * 100_000
        using(body)
        assert cloud.running == left


class TestPending:
    def test_the_reasons_are_reported(self, cloud: FakeCloud) -> None:
        async def body(provider: CloudProvider) -> list[str]:
            told: list[str] = []
            provider.listen(lambda sandbox, text, pending: told.append(f"{sandbox.name} {text} <{pending}>"))
            await provider.create(APP)
            return told

        cloud.pending = ["scheduling", "no_resources_available", "no_resources_available"]
        assert using(body) == [
            "app is pending: scheduling <scheduling>",
            "app is pending: no resources available <no resources available>",
        ]

    def test_the_answer_is_asked_for_at_once(self, cloud: FakeCloud) -> None:
        create(cloud)
        assert cloud.asked == [{"name": "shop-app", "resources": {"cpus": 1.0, "memory_mb": 1024}, "wait": False}]


class TestName:
    def test_a_server_that_calls_it_otherwise(self, cloud: FakeCloud) -> None:
        cloud.name_of["shop-app"] = "sandbox-17"
        with pytest.raises(Unsupported, match=r"the name `shop-app` and named it `sandbox-17`.* terminated again"):
            create(cloud)
        assert cloud.running == []

    def test_a_server_without_names(self, cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(suspended, "SETTLING", 0.0)
        cloud.name_of["shop-app"] = None
        with pytest.raises(Unsupported, match="gave it no name"):
            create(cloud)
        assert cloud.running == []

    def test_a_server_that_names_it_before_it_waits(self, cloud: FakeCloud) -> None:
        cloud.name_of["shop-app"] = "other"
        cloud.pending = ["scheduling"] * 1000
        with pytest.raises(Unsupported):
            create(cloud)
        assert cloud.running == []


class TestPrepare:
    def test_the_workspace_is_made_beside_the_question_what_the_daemon_can_do(self, cloud: FakeCloud) -> None:
        create(cloud)
        assert [request["args"][3] for request in cloud.ran] == ["/workspace"]
        assert [(item["command"], item["name"]) for item in cloud.started] == [("true", "@probe.00000000")]

    def test_it_is_done_once_for_a_workspace(self, cloud: FakeCloud) -> None:
        async def body(provider: CloudProvider) -> list[bool]:
            info = await provider.create(APP)
            return [await provider.prepare(APP, info), await provider.prepare(APP, info, supervises=True)]

        assert using(body) == [False, False]
        assert len(cloud.ran) == 1

    def test_what_kept_it_from_being_done_is_not_a_reason_to_end_the_sandbox(self, cloud: FakeCloud) -> None:
        async def body(provider: CloudProvider) -> bool:
            with pytest.raises(Refused, match="slow down"):
                await provider.create(APP)
            info = await provider.find(APP)
            assert info is not None
            return await provider.prepare(APP, info)

        cloud.busy = 1
        assert using(body) is True
        assert [request["args"][3] for request in cloud.ran] == ["/workspace"]

    @pytest.mark.parametrize(
        "managed,runs,words",
        [
            (False, True, "does not support supervised processes$"),
            (True, False, r"does not support commands \(`run`\)$"),
            (False, False, r"does not support supervised processes and commands \(`run`\)$"),
        ],
    )
    def test_a_daemon_that_lacks_what_we_need(self, cloud: FakeCloud, managed: bool, runs: bool, words: str) -> None:
        cloud.managed, cloud.runs = managed, runs
        with pytest.raises(Unsupported, match=words) as caught:
            create(cloud)
        assert "its daemon (version 0.1.9)" in caught.value.message
        assert "newer daemon" in (caught.value.hint or "")
        assert cloud.killed == ([] if managed else ["/processes/7"])
        assert cloud.running == [], "it was made by this call, and nothing is in it"

    def test_a_daemon_that_is_known_to_supervise_is_not_asked(self, cloud: FakeCloud) -> None:
        info = SandboxInfo.read({"id": "x", "status": "running", "sandbox_url": URL})
        using(lambda provider: provider.prepare(APP, info, supervises=True))
        assert cloud.started == []


class TestUpdate:
    WANTED = replace(APP, ports=(80,), resources=Resources(cpus=4.0), file_systems=(FileSystem("fs1", "/data"),))

    def update(self, cloud: FakeCloud) -> None:
        async def body(provider: CloudProvider) -> None:
            info = await provider.create(APP)
            cloud.sandboxes[info.id] |= {"resources": {"cpus": 1.0}, "file_systems": [{"mount_path": "/old"}]}
            cloud.log.clear()
            await provider.update(self.WANTED)

        using(body)

    def test_what_differs_is_changed_and_waited_for(self, cloud: FakeCloud) -> None:
        cloud.resizes = ["pending", "pending", "succeeded"]
        self.update(cloud)
        assert cloud.patched == [{"exposed_ports": [80]}, {"resources": {"cpus": 4.0}}], "sizes are asked for alone"
        assert cloud.resizes == []
        assert cloud.sandboxes["id1"]["file_systems"] == [{"file_system_id": "fs1", "mount_path": "/data"}]
        assert {request.split()[1].removeprefix("/v1/namespaces/default/sandboxes/") for request in cloud.log} == {
            "id1",
            "id1/file_systems",
        }

    def test_a_change_that_fails_says_why(self, cloud: FakeCloud) -> None:
        cloud.resizes = ["pending", "failed"]
        with pytest.raises(Refused, match="its resources could not be changed: no room") as caught:
            self.update(cloud)
        assert "down --terminate" in (caught.value.hint or "")

    def test_a_server_that_cannot_change_it(self, cloud: FakeCloud) -> None:
        with pytest.raises(Unsupported, match="its provider cannot change `resources` in place"):
            self.update(cloud)


@each_case(
    "words,missing",
    [
        ("Failed to spawn process: No such file or directory (os error 2)", True),
        ("sh: nope: not found", True),
        ("user not found: nobody2", False),
        ("Permission denied", False),
    ],
)
def test_a_missing_command_is_distinguished_from_other_failures(words: str, missing: bool) -> None:
    assert is_missing_command(words) is missing


class TestRefused:
    """A create that is refused: the message names the sandbox, the place and what can be done."""

    @pytest.mark.parametrize(
        "status, body, words, hint",
        [
            (402, {"error": "payment required"}, "payment required", "check the plan"),
            (404, {"error": "not found"}, "not found", "check TENSORLAKE_API_URL"),
            (409, {"error": "name in use"}, "name in use", "choose another name for the project"),
            (
                422,
                {
                    "sandbox_id": "x",
                    "status": "failed",
                    "reason": "ImageNotFound",
                    "error_details": {"message": "no foo"},
                },
                "ImageNotFound: no foo",
                "`image`",
            ),
        ],
    )
    def test_says_by_whom_and_what_helps(
        self,
        cloud: FakeCloud,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
        body: dict[str, Any],
        words: str,
        hint: str,
    ) -> None:
        monkeypatch.setattr(suspended, "SETTLING", -1.0)
        monkeypatch.setattr(cloud, "_create", lambda asked: FakeReply(status, body))

        async def main(provider: CloudProvider) -> None:
            with pytest.raises(Refused) as raised:
                await provider.create(APP)
            assert raised.value.message.endswith(f" did not create sandbox app ({APP.full_name}): {words}")
            assert hint in (raised.value.hint or "")

        using(main)
