"""PTY sessions and tunnels through the vendor's SDKs (contract, sections 5 and 6)."""

from __future__ import annotations

import httpx

from tests.live.sdk.clients import Host, Sdk

GREET = (
    "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
    "c, _ = s.accept(); d = c.recv(100); c.sendall(d[::-1]); c.close()"
)
"""A server that gives its only client back what it says, the other way round; it prints its port."""


def test_a_session_is_typed_into_resized_and_ends_with_its_code(sdk: Sdk, box: str) -> None:
    code = """
        seen = bytearray()
        pty = await sb.create_pty("sh", ["-c", "stty size; read a; stty size; echo got:$a; exit 7"],
                                  env={"TERM": "xterm"}, rows=30, cols=100, on_data=seen.extend)
        await pty.resize(120, 40)
        await pty.send_input("hello\\r")
        code = await pty.wait(120)
        return code, seen.decode()
    """
    code_, seen = sdk(code, box)
    assert code_ == 7
    assert "40 120" in seen
    assert "got:hello" in seen


def test_a_signal_is_reported_as_a_shell_does(sdk: Sdk, box: str) -> None:
    code = """
        pty = await sb.create_pty("sh", ["-c", "kill -TERM $$"])
        return await pty.wait(120)
    """
    assert sdk(code, box) == 128 + 15


def test_a_second_client_sees_what_was_there(sdk: Sdk, box: str) -> None:
    code = """
        first, second = bytearray(), bytearray()
        session = (await sb.create_pty_session("sh", ["-c", "echo early; read a; echo late:$a"])).value
        one = await sb.connect_pty(session["session_id"], session["token"], on_data=first.extend)
        two = await sb.connect_pty(session["session_id"], session["token"], on_data=second.extend)
        await one.send_input("x\\r")
        codes = [await one.wait(120), await two.wait(120)]
        return codes, first.decode(), second.decode()
    """
    codes, first, second = sdk(code, box)
    assert codes == [0, 0]
    for seen in (first, second):
        assert "early" in seen
        assert "late:x" in seen


def test_a_session_is_killed(sdk: Sdk, box: str) -> None:
    code = """
        pty = await sb.create_pty("sleep", ["1000"])
        await pty.kill()
        try:
            return await pty.wait(120)
        except SandboxError as error:
            return str(error)
    """
    told = str(sdk(code, box))  # the library under the synchronous one keeps the close's reason to itself
    assert "terminated" in told or (sdk.kind == "sync" and "closed unexpectedly" in told)


def test_a_tunnel_carries_bytes_both_ways(sdk: Sdk, box: str) -> None:
    code = f"""
        import asyncio, socket
        row = await sb.start_process("python3", ["-c", {GREET!r}])
        while not (lines := (await sb.get_stdout(row.pid)).lines):
            pass
        async with await sb.create_tunnel(int(lines[0]), local_port=0) as tunnel:
            def talk():
                with socket.create_connection((tunnel.address().host, tunnel.address().port)) as talk:
                    talk.sendall(b"abc")
                    return b"".join(iter(lambda: talk.recv(100), b"")).decode()
            return talk() if tunnel.__class__.__name__ == "TcpTunnel" else await asyncio.to_thread(talk)
    """
    assert sdk(code, box) == "cba"


def test_typescript_has_a_terminal(ts: Sdk, box: str) -> None:
    code = """
        let seen = "";
        const pty = await sb.createPty({
            command: "sh", args: ["-c", "read a; echo got:$a; exit 3"], rows: 30, cols: 100,
            onData: (data) => { seen += new TextDecoder().decode(data); },
        });
        await pty.sendInput("ts\\r");
        return [await pty.wait(), seen];
    """
    exit_code, seen = ts(code, box)
    assert exit_code == 3
    assert "got:ts" in seen


def test_typescript_has_a_tunnel(ts: Sdk, box: str) -> None:
    code = f"""
        const net = await import("node:net");
        const row = await sb.startProcess("python3", {{ args: ["-c", {GREET!r}] }});
        let port;
        for await (const event of sb.followStdout(row.pid)) {{ port = Number(event.line); break; }}
        const tunnel = await sb.createTunnel(port, {{ localPort: 0 }});
        const socket = net.connect(tunnel.address().port, "127.0.0.1");
        let said = "";
        socket.on("data", (data) => {{ said += data; }});
        socket.write("abc");
        await new Promise((resolve) => socket.on("close", resolve));
        await tunnel.close();
        return said;
    """
    assert ts(code, box) == "cba"


def test_an_exposed_port_is_reached_where_the_sdk_says(sync_sdk: Sdk, box: str, vendor_host: Host) -> None:
    code = """
        from tensorlake.sandbox.models import sandbox_url_from_ingress_endpoint
        server = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);" \
                 "print(s.server_port, flush=True); s.serve_forever()"
        row = sb.start_process("python3", ["-c", server], working_dir="/usr/share")
        while not (lines := sb.get_stdout(row.pid).lines):
            pass
        info = SandboxClient(_internal=True).expose_ports(
            sb.sandbox_id, [int(lines[0])], allow_unauthenticated_access=True)
        return sandbox_url_from_ingress_endpoint(info.ingress_endpoint, info.sandbox_id, int(lines[0]))
    """
    url = httpx.URL(sync_sdk(code, box))
    assert url.host.endswith(f"-{vendor_host.id_of(box)}.localhost")
    answer = httpx.get(
        url.copy_with(host="127.0.0.1"), headers={"Host": f"{url.host}:{url.port}"}, trust_env=False, verify=False
    )
    assert answer.status_code == 200
    assert "Directory listing" in answer.text
