"""Sandboxes through the vendor's Python SDK: made, found, changed, suspended, copied, ended (contract, section 2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.sdk.clients import ClientError, Host, Sdk


@pytest.fixture
def name(vendor_host: Host, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name that no sandbox has, and none has after the test."""
    free = vendor_host.box()
    vendor_host.delete(free)
    yield free
    vendor_host.delete(free)


def refused(sdk: Sdk, code: str, box: str | None = None) -> ClientError:
    """What the SDK raises."""
    with pytest.raises(ClientError) as raised:
        sdk(code, box)
    return raised.value


# -- making and finding --------------------------------------------------------------------------------------------


def test_a_named_sandbox_is_what_was_asked_for(sdk: Sdk, name: str, vendor_host: Host) -> None:
    code = f"""
        made = await Sandbox.create(name={name!r}, cpus=2, memory_mb=2048, disk_mb=20480, image="ubuntu",
                                    exposed_ports=[8080, 80], allow_unauthenticated_access=True)
        return made.sandbox_id, await made.info()
    """
    number, info = sdk(code)
    assert len(number) == 21
    assert (info["sandbox_id"], info["name"], info["status"]) == (number, name, "running")
    assert info["resources"] == {"cpus": 2.0, "memory_mb": 2048, "disk_mb": 20480, "gpu_configs": None}
    assert (info["image"], info["exposed_ports"], info["allow_unauthenticated_access"]) == ("ubuntu", [80, 8080], True)
    assert info["sandbox_url"] == vendor_host.url
    assert info["created_at"]


def test_a_sandbox_without_a_name_is_ephemeral(sdk: Sdk, vendor_host: Host) -> None:
    code = """
        async with await Sandbox.create(timeout_secs=60) as made:
            info = await made.info()
            answer = (await made.run("echo", ["hi"])).stdout
        return info, answer
    """
    info, answer = sdk(code)
    assert (info["name"], info["timeout_secs"], answer) == (None, 60, "hi")
    assert vendor_host.http.get(f"/sandboxes/{info['sandbox_id']}").json()["status"] == "terminated"


def test_a_create_that_does_not_wait(sdk: Sdk, name: str) -> None:
    code = f"""
        pending = await Sandbox.create(name={name!r}, wait=False)
        ready = await pending.ready()
        return pending.sandbox_id == ready.sandbox_id, (await ready.run("echo", ["hi"])).stdout
    """
    assert sdk(code) == [True, "hi"]


def test_connect_by_id_and_by_name(sdk: Sdk, box: str, vendor_host: Host) -> None:
    for identifier in (box, vendor_host.id_of(box)):
        assert sdk("return (await sb.run('echo', ['hi'])).stdout", identifier) == "hi"


def test_get_or_create_makes_and_then_finds(sdk: Sdk, name: str) -> None:
    code = f"""
        made = await Sandbox.get_or_create({name!r})
        found = await Sandbox.get_or_create({name!r})
        return made.bind_outcome, found.bind_outcome, made.sandbox_id == found.sandbox_id
    """
    assert sdk(code) == ["created", "attached", True]


def test_the_list_has_all_though_the_sdk_reads_one_page(sync_sdk: Sdk, vendor_host: Host) -> None:
    boxes = {vendor_host.box(isolation="none") for _ in range(103)}
    try:
        assert boxes <= set(sync_sdk("return [each.name for each in Sandbox.list()]"))
    finally:
        for box in boxes:
            vendor_host.delete(box)


@pytest.mark.parametrize("bad", ["Box", "1box", "box-", "b" * 64, "abcdefghijklmnopqrstu", "a_b"])
def test_a_bad_name_is_refused(sdk: Sdk, bad: str) -> None:
    assert refused(sdk, f"await Sandbox.create(name={bad!r})").status_code == 400


def test_a_name_in_use_is_a_conflict(sdk: Sdk, box: str) -> None:
    assert refused(sdk, "await Sandbox.create(name=box)", box).status_code == 409


@pytest.mark.parametrize("more", ["snapshot_id='snap-nope'", "exposed_ports=[8080], file_systems=[FileSystemMount("
                                  "file_system_id='fs', mount_path='/mnt')]", "gpus=1"])  # fmt: skip
def test_what_this_host_cannot_do_is_refused(sdk: Sdk, name: str, more: str) -> None:
    error = refused(sdk, f"await Sandbox.create(name={name!r}, {more})")
    assert error.status_code in (400, 404)
    assert error.message


@pytest.mark.parametrize("policy", ["allow_out=['10.0.0.1']", "deny_out=['10.0.0.0/8']"])
def test_a_network_policy_that_cannot_be_kept_is_refused(sdk: Sdk, policy: str) -> None:
    assert refused(sdk, f"await Sandbox.create({policy})").code == "UNSUPPORTED"


def test_no_internet_means_none_or_is_refused(sdk: Sdk) -> None:
    code = """
        try:
            made = await Sandbox.create(allow_internet_access=False)
        except RemoteAPIError as error:
            return error.code
        devices = (await made.run("cat", ["/proc/net/dev"])).stdout
        policy = (await made.info()).network_policy
        await made.terminate()
        return [each.split(":")[0].strip() for each in devices.splitlines()[2:]], policy.allow_internet_access
    """
    assert sdk(code) in ("UNSUPPORTED", [["lo"], False])


# -- ending --------------------------------------------------------------------------------------------------------


def test_terminate_ends_everything_and_again_is_fine(sdk: Sdk, name: str, vendor_host: Host) -> None:
    code = f"""
        made = await Sandbox.create(name={name!r})
        await made.start_process("sleep", ["1000"])
        await made.terminate()
        await made.terminate()
        return made.sandbox_id
    """
    number = sdk(code)
    assert vendor_host.http.delete(f"/sandboxes/{number}").status_code == 200
    assert vendor_host.http.get(f"/sandboxes/{number}").json()["status"] == "terminated"
    assert refused(sdk, f"await Sandbox.connect({name!r})").type == "SandboxNotFoundError"


def test_a_process_call_to_a_terminated_sandbox_fails_at_once(sdk: Sdk, name: str) -> None:
    error = refused(sdk, f"made = await Sandbox.create(name={name!r}); await made.terminate(); await made.run('true')")
    assert error.status_code == 409


def test_the_archive_has_what_was_terminated(sync_sdk: Sdk, vendor_host: Host) -> None:
    box = vendor_host.box()
    number = vendor_host.id_of(box)
    vendor_host.delete(box)
    code = f"""
        client = SandboxClient()
        page = client.list_archived(limit=1)
        return client.get_archived({number!r}), len(page.sandboxes), page.next_cursor is not None
    """
    info, count, _ = sync_sdk(code)
    assert (info["sandbox_id"], info["name"], info["status"]) == (number, box, "terminated")
    assert info["archived_at"]
    assert count == 1


# -- changing ------------------------------------------------------------------------------------------------------


def test_a_name_is_given_and_changed(sdk: Sdk, name: str) -> None:
    code = f"""
        made = await Sandbox.create()
        info = await made.update({name!r})
        found = await Sandbox.connect({name!r})
        same = found.sandbox_id == made.sandbox_id
        await made.terminate()
        return info.name, same
    """
    assert sdk(code) == [name, True]


def test_ports_are_exposed_and_taken_back(sync_sdk: Sdk, box: str) -> None:
    code = """
        client = SandboxClient()
        exposed = client.expose_ports(sb.sandbox_id, [9000, 80], allow_unauthenticated_access=True)
        access = client.get_port_access(sb.sandbox_id)
        taken = client.unexpose_ports(sb.sandbox_id, [80, 9000])
        return exposed.exposed_ports, access.allow_unauthenticated_access, taken.exposed_ports
    """
    exposed, unauthenticated, taken = sync_sdk(code, box)
    assert exposed == [80, 9000]
    assert unauthenticated is True
    assert not taken


def test_auto_resume_is_changed(sdk: Sdk, box: str) -> None:
    assert sdk("return (await sb.update(auto_resume=False)).auto_resume", box) is False


def test_the_reserved_port_is_refused(sdk: Sdk, name: str, vendor_host: Host) -> None:
    answer = vendor_host.http.post("/sandboxes", json={"name": name, "exposed_ports": [9501]})
    assert answer.status_code == 400


# -- suspending ----------------------------------------------------------------------------------------------------


def test_suspend_freezes_and_resume_continues_with_the_same_processes(sdk: Sdk, box: str) -> None:
    code = """
        row = await sb.start_process("sh", ["-c", "echo up; exec sleep 1000"], name="web")
        await sb.suspend()
        suspended = (await sb.info()).status
        await sb.resume()
        again = await sb.get_process("web")
        return suspended, (await sb.info()).status, again.pid == row.pid, again.handle == row.handle, again.status
    """
    assert sdk(code, box) == ["suspended", "running", True, True, "running"]


def test_a_request_to_a_suspended_sandbox_resumes_it(sdk: Sdk, box: str) -> None:
    code = """
        await sb.suspend()
        answer = (await sb.run("echo", ["hi"])).stdout
        return answer, (await sb.info()).status
    """
    assert sdk(code, box) == ["hi", "running"]


def test_without_auto_resume_it_stays_suspended_and_the_request_fails(sdk: Sdk, box: str, vendor_host: Host) -> None:
    error = refused(sdk, "await sb.update(auto_resume=False); await sb.suspend(); await sb.run('true')", box)
    assert error.status_code == 409
    assert vendor_host.http.get(f"/sandboxes/{box}").json()["status"] == "suspended"


def test_get_or_create_resumes(sdk: Sdk, box: str) -> None:
    assert sdk("await sb.suspend(); return (await Sandbox.get_or_create(box)).bind_outcome", box) == "resumed"


def test_only_named_sandboxes_are_suspended(sdk: Sdk) -> None:
    error = refused(sdk, "async with await Sandbox.create() as made: await made.suspend()")
    assert error.status_code == 400


# -- snapshots and copies ------------------------------------------------------------------------------------------


def test_a_checkpoint_is_restored_with_its_files(sdk: Sdk, box: str) -> None:
    code = """
        await sb.write_file("kept/note.txt", b"before")
        snapshot = await sb.checkpoint()
        await sb.write_file("kept/note.txt", b"after")
        async with await Sandbox.create(snapshot_id=snapshot.snapshot_id) as restored:
            return (await restored.run("cat", ["kept/note.txt"])).stdout, snapshot.status, snapshot.sandbox_id
    """
    content, status, source = sdk(code, box)
    assert content == "before"
    assert status in ("local_ready", "completed")
    assert source


def test_snapshots_are_listed_and_deleted(sync_sdk: Sdk, box: str) -> None:
    code = """
        snapshot = sb.checkpoint(checkpoint_type=CheckpointType.FILESYSTEM)
        listed = [each.snapshot_id for each in sb.list_snapshots()]
        found = Sandbox.get_snapshot(snapshot.snapshot_id).snapshot_id
        Sandbox.delete_snapshot(snapshot.snapshot_id)
        return snapshot.snapshot_id, listed, found, len(sb.list_snapshots())
    """
    made, listed, found, left = sync_sdk(code, box)
    assert listed == [made]
    assert (found, left) == (made, 0)


def test_copies_run_beside_the_original(sdk: Sdk, box: str) -> None:
    code = """
        await sb.write_file("note.txt", b"mine")
        done = await sb.copy(times=2)
        found = []
        for each in done.sandboxes:
            copy = await Sandbox.connect(each.sandbox_id)
            found.append((each.status, (await copy.run("cat", ["note.txt"])).stdout))
            await copy.terminate()
        return found, done.source_sandbox_id == sb.sandbox_id
    """
    assert sdk(code, box) == [[["running", "mine"], ["running", "mine"]], True]


# -- TypeScript ----------------------------------------------------------------------------------------------------


def test_typescript_suspends_resumes_and_updates(ts: Sdk, box: str) -> None:
    code = """
        const row = await sb.startProcess("sleep", { args: ["1000"], name: "web" });
        await sb.suspend();
        const suspended = await sb.status();
        await sb.resume();
        const same = (await sb.getProcess("web")).pid === row.pid;
        const info = await sb.update({ exposedPorts: [8080], allowUnauthenticatedAccess: true });
        return [suspended, await sb.status(), same, info.exposedPorts];
    """
    assert ts(code, box) == ["suspended", "running", True, [8080]]


def test_typescript_has_snapshots_copies_and_logs(ts: Sdk, box: str) -> None:
    code = """
        await sb.run("sh", { args: ["-c", "echo kept > note.txt; echo said"] });
        const snapshot = await sb.checkpoint();
        const restored = await Sandbox.create({ ...options, snapshotId: snapshot.snapshotId });
        const kept = (await restored.run("cat", { args: ["note.txt"] })).stdout;
        await restored.terminate();
        const listed = (await sb.listSnapshots()).map((each) => each.snapshotId);
        await Sandbox.deleteSnapshot(snapshot.snapshotId, options);
        const copies = (await sb.copy({ times: 1 })).sandboxes;
        for (const each of copies) await (await Sandbox.connect({ ...options, sandboxId: each.sandboxId })).terminate();
        const logs = (await sb.getLogs()).logs.map((each) => each.body);
        return [kept, listed.includes(snapshot.snapshotId), copies.length, logs];
    """
    assert ts(code, box) == ["kept", True, 1, ["said"]]
