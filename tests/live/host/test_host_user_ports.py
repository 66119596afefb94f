"""User ports: what listens in a sandbox, at a name of its own (contract, sections 1.1, 1.4 and 6)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.live.host.conftest import KEY
from tests.live.host.hosts import LiveHost, client_of
from tests.live.host.listeners import Serve, listening, read_all, read_head
from tests.support.ports import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mine: yes\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok"


@pytest.fixture
def host(kept_host: LiveHost) -> LiveHost:
    """A host with a port, which many tests use."""
    return kept_host


@pytest.fixture
def http(host: LiveHost) -> Iterator[httpx.Client]:
    """A client that has only the host's TCP address."""
    with client_of(tcp=host.status["tcp"]) as client:
        yield client


def expose(host: LiveHost, port: int, *, everybody: bool = True) -> str:
    """A sandbox `box` with that port; the name of the port."""
    host.box(exposed_ports=[port], allow_unauthenticated_access=everybody)
    return f"{port}-box.localhost"


def saying(answer: bytes, heads: list[bytes]) -> Serve:
    def serve(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(answer)

    return serve


def test_a_request_goes_through_and_its_answer_comes_back(host: LiveHost, http: httpx.Client) -> None:
    heads: list[bytes] = []
    with listening(saying(OK, heads)) as port:
        name = expose(host, port)
        answer = http.get("/deep//path?q=a%20b", headers={"Host": f"{name}:1", "Authorization": "Bearer mine"})
    assert (answer.status_code, answer.text, answer.headers["x-mine"]) == (200, "ok", "yes")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    head = heads[0].lower()
    assert head.startswith(b"get /deep//path?q=a%20b http/1.1\r\n")
    for line in (f"host: {name}:1", "x-forwarded-host", "authorization: bearer mine", "connection: close"):
        assert line.encode() in head


def test_the_sandboxs_id_is_a_name_too_and_the_info_says_how_to_get_there(host: LiveHost, http: httpx.Client) -> None:
    with listening(saying(OK, [])) as port:
        box = host.box("other", exposed_ports=[port], allow_unauthenticated_access=True)
        info = http.get(f"/sandboxes/{box.id}", headers={"Authorization": f"Bearer {KEY}"}).json()
        scheme, _, place = info["ingress_endpoint"].partition("://")
        assert scheme == "http"
        assert place == f"localhost:{http.base_url.port}"
        assert http.get("/", headers={"Host": f"{port}-{box.id}.{place}"}).status_code == 200


def test_without_open_access_the_key_is_needed_and_stays_with_us(host: LiveHost, http: httpx.Client) -> None:
    heads: list[bytes] = []
    with listening(saying(OK, heads)) as port:
        name = expose(host, port, everybody=False)
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert http.get("/", headers={"Host": name, **headers}).status_code == 401
        page = {"Host": name, "Authorization": f"Bearer {KEY}", "Origin": f"http://{name}"}
        assert http.get("/", headers=page).status_code == 200
    assert len(heads) == 1
    assert b"authorization" not in heads[0].lower()


def test_the_key_stays_with_us_where_it_was_not_needed_either(host: LiveHost, http: httpx.Client) -> None:
    heads: list[bytes] = []
    with listening(saying(OK, heads)) as port:
        assert http.get("/", headers={"Host": expose(host, port), "Authorization": f"Bearer {KEY}"}).status_code == 200
    assert b"authorization" not in heads[0].lower()


def test_an_unauthorised_client_does_not_learn_what_exists(host: LiveHost, http: httpx.Client) -> None:
    host.box("shut")
    host.box("open", exposed_ports=[1234], allow_unauthenticated_access=True)

    def refused(**headers: str) -> tuple[int, str]:
        answer = http.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
        return answer.status_code, answer.json()["code"]

    for sandbox in ("shut", "open", "nobody"):
        page = {"Host": "evil.example", "X_Tensorlake_Sandbox_Id": sandbox, "X_Tensorlake_Sandbox_Port": "22"}
        assert refused(**page) == (403, "FORBIDDEN_HOST")
    assert refused(Host="22-shut.localhost") == (401, "UNAUTHORIZED")
    assert refused(Host="22-shut.localhost", Authorization=f"Bearer {KEY}") == (403, "PORT_NOT_EXPOSED")


def test_ports_that_cannot_be_reached_say_why(host: LiveHost, http: httpx.Client) -> None:
    port = free_port()
    name = expose(host, port)

    def refused(name: str) -> tuple[int, str]:
        answer = http.get("/", headers={"Host": name})
        return answer.status_code, answer.json()["code"]

    assert refused(name) == (502, "CONNECTION_REFUSED")
    assert refused("0-box.localhost") == refused("65536-box.localhost") == (400, "BAD_PORT")
    assert refused("1-box.localhost") == (403, "PORT_NOT_EXPOSED")
    assert refused(f"{port}-nobody.localhost") == (404, "SANDBOX_NOT_FOUND")
    with listening(saying(b"", [])) as silent, listening(saying(b"SSH-2.0\r\n", [])) as other:
        host.box("two", exposed_ports=[silent, other], allow_unauthenticated_access=True)
        assert refused(f"{silent}-two.localhost") == (502, "CONNECTION_CLOSED")
        assert refused(f"{other}-two.localhost") == (502, "PROXY_ERROR")


def test_the_daemons_own_port_is_the_daemon(host: LiveHost, http: httpx.Client) -> None:
    host.box()
    key = {"Authorization": f"Bearer {KEY}"}
    for name in ("9501-box.local", "box.local", "box.localhost"):
        assert http.get("/api/v1/health", headers={**key, "Host": name}).json() == {"healthy": True}
        assert http.get("/api/v1/health", headers={"Host": name}).status_code == 401


def test_a_sandbox_that_does_not_exist_is_not_healthy(host: LiveHost, http: httpx.Client) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    for names in ({"Host": "nobody.local"}, {"X-Tensorlake-Sandbox-Id": "nobody"}):
        assert http.get("/api/v1/health", headers={**key, **names}).status_code == 404
    assert http.get("/api/v1/health", headers=key).json() == {"healthy": True}


def test_an_answer_comes_as_it_is_written(host: LiveHost, http: httpx.Client) -> None:
    seen = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert seen.wait(60)
        connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    with listening(serve) as port:
        name = expose(host, port)
        with http.stream("GET", "/", headers={"Host": name}) as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b"first"
            seen.set()
            assert b"".join(pieces) == b"last"


def test_a_body_goes_through_as_it_is_read(host: LiveHost, http: httpx.Client) -> None:
    seen = threading.Event()
    bodies: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        assert b"transfer-encoding: chunked" in read_head(connection).lower()
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(1 << 16)
            if b"first" in body:
                seen.set()
        bodies.append(body)
        connection.sendall(OK)

    def pieces() -> Iterator[bytes]:
        yield b"first"
        assert seen.wait(60)
        yield b"last"

    with listening(serve) as port:
        name = expose(host, port)
        assert http.post("/", headers={"Host": name}, content=pieces()).text == "ok"
    assert bodies == [b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n"]


@pytest.mark.parametrize(
    "method, answer, status",
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, 200),
        ("GET", b"HTTP/1.0 404 Not Found\r\n\r\nuntil the end", 404),
        ("PROPFIND", OK, 200),
    ],
)
def test_answers_of_every_shape(host: LiveHost, http: httpx.Client, method: str, answer: bytes, status: int) -> None:
    with listening(saying(answer, [])) as port:
        name = expose(host, port)
        assert http.request(method, "/", headers={"Host": name}).status_code == status


def test_an_answer_that_breaks_off_breaks_off(host: LiveHost, http: httpx.Client) -> None:
    with listening(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", [])) as port:
        name = expose(host, port)
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/", headers={"Host": name})
    assert "Traceback" not in host.log


def test_a_client_that_goes_ends_the_ports_connection(host: LiveHost, http: httpx.Client) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nmore to come")
        assert read_all(connection) == b""
        ended.set()

    with listening(serve) as port:
        name = expose(host, port)
        with http.stream("GET", "/", headers={"Host": name}) as answer:
            next(answer.iter_raw())
        assert ended.wait(60)


def test_another_protocol_goes_through_in_both_directions(host: LiveHost) -> None:
    def serve(connection: socket.socket) -> None:
        head = read_head(connection).lower()
        assert b"connection: upgrade" in head
        assert b"upgrade: echo" in head
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ")
        connection.sendall(read_all(connection).upper())

    with listening(serve) as port:
        name = expose(host, port)
        address = host.status["tcp"].rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(address)), 20) as client:
            head = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nat once, "
            client.sendall(head.encode())
            answer = read_head(client).lower()
            assert answer.startswith(b"http/1.1 101")
            assert b"upgrade: echo" in answer
            client.sendall(b"and later")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"hello AT ONCE, AND LATER"


def test_an_upgrade_that_the_port_declines_is_an_ordinary_answer(host: LiveHost, http: httpx.Client) -> None:
    with listening(saying(OK, [])) as port:
        name = expose(host, port)
        headers = {"Host": name, "Connection": "Upgrade", "Upgrade": "h2c"}
        assert [http.get("/", headers=headers).text for _ in range(2)] == ["ok", "ok"]


def test_a_request_resumes_a_suspended_sandbox(host: LiveHost, http: httpx.Client) -> None:
    with listening(saying(OK, [])) as port:
        name = expose(host, port)
        assert host.http.post("/sandboxes/box/suspend", params={"wait_ms": 10_000}).status_code == 200
        assert http.get("/", headers={"Host": name}).status_code == 200
    assert host.http.get("/sandboxes/box").json()["status"] == "running"
