"""`network:` of a file at the provider `local`: nothing but the sandbox itself, or a refusal that says why."""

from __future__ import annotations

import socket

from tests.cli.looking import pids
from tests.support.command import Sbx
from tests.support.rights import needs_namespaces

CLOSED = """
sandboxes:
  app:
    network: {{allow_internet_access: false}}
    processes:
      web:
        command: python3 -m http.server {port} --bind 127.0.0.1
        health_check: {{tcp: {port}}}
      devices: {{command: [ls, /proc/self/net/dev_snmp6], restart: never, depends_on: [web]}}
"""


@needs_namespaces
def test_a_closed_sandbox_has_a_loopback_of_its_own_and_its_ports_conflict_with_no_other(sbx: Sbx) -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        sbx.write(CLOSED.format(port=here.getsockname()[1]))
        up = sbx.run("up", "-d", "--wait")
        assert "is taken" not in up.stderr + up.stdout
        assert sbx.run("logs", "--no-prefix", "devices").stdout == "lo\n"
        assert "healthy" in sbx.run("ps").stdout


def test_a_policy_that_this_machine_cannot_enforce_is_refused(sbx: Sbx) -> None:
    sbx.write("sandboxes: {app: {network: {deny_out: [10.0.0.0/8]}, processes: {web: {command: sleep 1000}}}}")
    up = sbx.run("up", "-d", code=1)
    assert "network.deny_out cannot be enforced on this machine" in up.stderr
    assert "allow_internet_access: false" in up.stderr
    assert pids(sbx) == {}
