"""What a cloud is asked for, what of a sandbox differs from the file, and where its daemon is reached."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest
from msgspec.structs import replace

from sbxcompose.api.addresses import parse_site
from sbxcompose.api.cloud_errors import explain
from sbxcompose.api.models import ProcessInfo, millis
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.settings import read_settings
from sbxcompose.engine.cloud import CloudProvider
from sbxcompose.engine.cloud_requests import create_request, differences, remounted, resized, updates
from sbxcompose.engine.daemon_site import daemon_site
from sbxcompose.errors import ConfigurationError, Refused
from sbxcompose.spec.machine import FileSystem, Gpu, Network, Resources
from sbxcompose.spec.project import Sandbox
from tests.support.cases import each_case

GIB = 1024**3
BARE = Sandbox("app", "shop-app", ())
INFO = SandboxInfo.read({"id": "x", "status": "running"})


def body(sandbox: Sandbox) -> dict[str, Any]:
    """What of the create request is not left to the provider."""
    defaults = {"allow_unauthenticated_access": False, "auto_resume": True, "wait": False}
    return {
        key: value
        for key, value in create_request(sandbox).write().items()
        if value is not None and defaults.get(key) != value
    }


def test_a_bare_sandbox_is_asked_for_as_the_vendors_clients_do() -> None:
    assert body(BARE) == {"name": "shop-app", "resources": {"cpus": 1.0, "memory_mb": 1024}}


def test_everything_that_the_file_says_is_asked_for() -> None:
    sandbox = replace(
        BARE,
        image="ubuntu",
        resources=Resources(cpus=0.5, memory=2 * GIB + 1, disk=20 * GIB),
        timeout=600,
        network=Network(False, ("10.0.0.0/8",), ("example.com",)),
        ports=(8080,),
        file_systems=(FileSystem("fs1", "/data"), FileSystem("fs2", "/ro", read_only=True)),
    )
    assert body(sandbox) == {
        "name": "shop-app",
        "image": "ubuntu",
        "resources": {"cpus": 0.5, "memory_mb": 2049, "disk_mb": 20480},
        "timeout_secs": 600,
        "network": {"allow_internet_access": False, "allow_out": ["10.0.0.0/8"], "deny_out": ["example.com"]},
        "exposed_ports": [8080],
        "file_systems": [
            {"file_system_id": "fs1", "mount_path": "/data"},
            {"file_system_id": "fs2", "mount_path": "/ro", "read_only": True},
        ],
    }


def test_a_snapshot_brings_its_resources() -> None:
    assert body(replace(BARE, snapshot="snap")) == {"name": "shop-app", "snapshot_id": "snap"}
    assert body(replace(BARE, snapshot="snap", resources=Resources(cpus=2)))["resources"] == {"cpus": 2}


def test_a_sandbox_that_is_as_the_file_says_does_not_differ() -> None:
    sandbox = replace(BARE, image="one", resources=Resources(cpus=1, memory=GIB))
    has = replace(INFO, image="one", resources={"cpus": 1.0, "memory_mb": 1024, "disk_mb": 10240}, file_systems=[])
    assert differences(sandbox, has) == ()
    assert differences(BARE, replace(INFO, image="whatever", resources={"cpus": 9})) == (), (
        "the file says nothing of it"
    )


def test_what_only_a_new_sandbox_could_have_is_named() -> None:
    sandbox = replace(BARE, image="two", resources=Resources(disk=10 * GIB), timeout=600)
    has = replace(INFO, image="one", resources={"disk_mb": 20480}, timeout_secs=300)
    assert differences(sandbox, has) == ("image", "resources", "timeout")
    assert updates(sandbox, has) == (), "a disk cannot shrink"
    assert differences(replace(sandbox, timeout=0), has) == ("image", "resources"), "0 is the most that a plan allows"


def test_other_gpus_need_a_new_sandbox() -> None:
    wanted = replace(BARE, resources=Resources(cpus=2, gpus=(Gpu("A10", 2),)))
    assert body(wanted)["resources"] == {"cpus": 2, "memory_mb": 1024, "gpus": [{"count": 2, "model": "A10"}]}
    same = replace(INFO, resources={"cpus": 1.0, "gpus": [{"model": "A10", "count": 2}]})
    assert (differences(wanted, same), updates(wanted, same)) == ((), ("resources",))
    other = replace(INFO, resources={"cpus": 1.0, "gpu_configs": [{"model": "H100", "count": 2}]})
    assert (differences(wanted, other), updates(wanted, other)) == (("resources",), ())
    assert differences(wanted, replace(INFO, resources={"cpus": 2})) == (), "the server does not tell"


def test_what_a_sandbox_can_be_given_as_it_is() -> None:
    sandbox = replace(BARE, ports=(80, 81), network=Network(deny_out=("10.0.0.0/8",)))
    assert updates(sandbox, INFO) == ("ports", "network")
    policy = {"allow_internet_access": True, "allow_out": [], "deny_out": ["10.0.0.0/8"]}
    assert updates(sandbox, replace(INFO, exposed_ports=[81, 80], network=policy)) == ()
    assert updates(BARE, replace(INFO, exposed_ports=[9], network=policy)) == (), "the file says nothing of it"
    assert updates(replace(BARE, network=Network()), INFO) == ()


def test_sizes_and_file_systems_can_be_changed_in_place() -> None:
    file_systems = (FileSystem("fs1", "/data"), FileSystem("fs2", "/ro", read_only=True, snapshot="s1", owner="me"))
    sandbox = replace(BARE, resources=Resources(memory=2 * GIB), file_systems=file_systems)
    mounts = [{"file_system_id": "fs1", "mount_path": "/data", "owner": None}]
    has = replace(INFO, resources={"cpus": 1.0, "memory_mb": 1024}, file_systems=[*mounts, {"mount_path": "/old"}])
    assert (differences(sandbox, has), updates(sandbox, has)) == ((), ("resources", "file_systems"))
    assert resized(sandbox, has) == {"memory_mb": 2048}
    pinned = {"file_system_id": "fs2", "mount_path": "/ro", "read_only": True, "snapshot_id": "s1", "owner": "me"}
    assert remounted(sandbox, has) == (["/old"], [pinned])
    assert remounted(sandbox, INFO) == ([], []), "the server does not tell"


def test_the_daemon_is_where_the_answer_says_or_at_the_proxy() -> None:
    settings = read_settings({})
    there = replace(INFO, sandbox_url="https://x.sandbox.tensorlake.ai")
    assert str(daemon_site(settings, there)) == "https://x.sandbox.tensorlake.ai"
    proxied = read_settings({"TENSORLAKE_SANDBOX_PROXY_URL": "https://proxy.example"})
    assert str(daemon_site(proxied, INFO)) == "https://proxy.example"
    assert str(daemon_site(proxied, replace(INFO, sandbox_url="https://evil.example"))) == "https://proxy.example"


@each_case("url", [None, "https://evil.example", "http://127.0.0.1:1", "http://x.sandbox.tensorlake.ai"])
def test_the_key_is_not_sent_to_a_place_that_was_not_named(url: str | None) -> None:
    with pytest.raises(Refused) as caught:
        daemon_site(read_settings({}), replace(INFO, sandbox_url=url))
    assert "TENSORLAKE_SANDBOX_PROXY_URL" in (caught.value.hint or "")


def test_without_a_key_there_is_no_cloud_but_perhaps_a_host_of_this_machine() -> None:
    with pytest.raises(ConfigurationError, match="no key"):
        CloudProvider(read_settings({}))
    CloudProvider(read_settings({"TENSORLAKE_API_URL": "http://127.0.0.1:1"}))


def grouped(error: Exception) -> Exception:
    """As several attempts at several addresses end."""
    outer = OSError("All connection attempts failed")
    outer.__cause__ = ExceptionGroup("multiple connection attempts failed", [error])
    return outer


@each_case(
    "error,words",
    [
        (socket.gaierror(-2, "Name or service not known"), "the name `x.example` cannot be resolved"),
        (grouped(ConnectionRefusedError(111, "refused")), "the connection was refused"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "no TLS connection"),
        (TimeoutError("connect"), "no answer in time"),
        (ValueError("something else"), "something else"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_failed_request_is_explained_with_a_hint(error: Exception, words: str) -> None:
    said, hint = explain(error, parse_site("https://x.example", "TEST"))
    assert words in said
    assert hint


@each_case(
    "value,expected",
    [
        (1795000000123, 1795000000123),
        (1795000000, 1795000000000),
        (1795000000.5, 1795000000500),
        (1795000000123456, 1795000000123),
        ("2026-11-18T09:06:40Z", 1794992800000),
        ("2026-11-18T09:06:40.500+00:00", 1794992800500),
        ("2026-11-18T09:06:40", 1794992800000),
    ],
)
def test_moments_are_read_in_every_form(value: str | float, expected: int) -> None:
    assert millis(value) == expected


def test_a_row_of_another_server_is_read() -> None:
    row = ProcessInfo.read(
        {"pid": 1, "status": "running", "command": "x", "args": None, "started_at": 1795000000, "handle": None}
    )
    assert row.args == []
    assert row.started_at == 1795000000000


def test_a_sandbox_of_another_server_is_read_by_either_name_of_its_fields() -> None:
    info = SandboxInfo.read({"sandbox_id": "x", "status": "running", "network_policy": {"allow_out": ["a"]}})
    assert info.id == "x"
    assert info.network == {"allow_out": ["a"]}


def test_a_provider_closes_without_having_been_used() -> None:
    asyncio.run(CloudProvider(read_settings({"TENSORLAKE_API_KEY": "k"})).close())
