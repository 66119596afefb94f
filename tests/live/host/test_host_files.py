"""Files over HTTP: any bytes in names, whole or not at all, refusals that say what they refuse."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx
import pytest

from sbxcompose.api.connection import StreamedBody
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.errors import NotFound, Refused, SbxError
from tests.live.host.hosts import PATIENCE, Box, LiveHost
from tests.support.descriptors import targets
from tests.support.waiting import until

MEGABYTE = 1024 * 1024


@pytest.fixture
def folder(short_dir: Path) -> Path:
    """The project directory of `box`."""
    return short_dir


@pytest.fixture
def box(kept_host: LiveHost, folder: Path) -> Box:
    """A sandbox that works for `folder`."""
    return kept_host.box(project_directory=str(folder))


def put(box: Box, query: str, data: bytes | Iterator[bytes] = b"") -> httpx.Response:
    return box.ask("PUT", f"/files?path={query}", content=data)


def get(box: Box, query: str) -> httpx.Response:
    return box.ask("GET", f"/files?path={query}")


def entries(box: Box, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = box.ask("GET", f"/files/list?path={query}").raise_for_status().json()["entries"]
    return found


def test_a_file_goes_in_and_comes_out(box: Box, folder: Path) -> None:
    data = bytes(range(256)) * 5000
    answer = put(box, "some/deep/folder/data.bin", data)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (folder / "some/deep/folder/data.bin").read_bytes() == data
    back = get(box, str(folder / "some/deep/folder/data.bin"))
    assert back.content == data
    assert back.headers["content-type"] == "application/octet-stream"
    assert back.headers["content-length"] == str(len(data))


def test_an_empty_file(box: Box, folder: Path) -> None:
    assert put(box, "empty").status_code == 204
    assert (folder / "empty").read_bytes() == b""
    assert (get(box, "empty").content, get(box, "empty").headers["content-length"]) == (b"", "0")


def test_a_new_file_replaces_the_old_one_and_is_shorter(box: Box, folder: Path) -> None:
    put(box, "it", b"x" * 100_000)
    put(box, "it", b"y")
    assert (folder / "it").read_bytes() == b"y"
    assert os.listdir(folder) == ["it"]


@pytest.mark.parametrize(
    "query, name",
    [
        ("a+b%20c", b"a b c"),
        ("plus%2Bsign", b"plus+sign"),
        ("100%25", b"100%"),
        ("caf%C3%A9%20%F0%9F%8D%B5", "café 🍵".encode()),
        ("%FF%FE%80", b"\xff\xfe\x80"),
        ("caf%E9", b"caf\xe9"),
        ("line%0Abreak%0D%09", b"line\nbreak\r\t"),
        ("%22quoted%22%5C%27", b'"quoted"\\\''),
        ("semi%3Bcolon%26and%3Dequals%3F%23", b"semi;colon&and=equals?#"),
        ("-rf", b"-rf"),
        ("...", b"..."),
        ("..a%2Fb..", b"..a/b.."),
        ("%EF%BF%BD", "\ufffd".encode()),
        ("n" * 255, b"n" * 255),
        ("%252e%252e", b"%2e%2e"),
    ],
)
def test_any_bytes_in_a_name(box: Box, folder: Path, query: str, name: bytes) -> None:
    assert put(box, query, name).status_code == 204
    assert Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).read_bytes() == name
    assert get(box, query).content == name
    assert box.ask("DELETE", f"/files?path={query}").status_code == 204
    assert get(box, query).status_code == 404


def test_a_list_has_directories_first_then_names(box: Box, folder: Path) -> None:
    for name in ("zebra", "apple", "b/x", "a/y"):
        put(box, name, b"12345")
    (folder / "loose").symlink_to("nowhere")
    (folder / "to a").symlink_to("a")
    os.utime(folder / "apple", ns=(0, 1_700_000_000_123_999_999))
    answer = box.ask("GET", "/files/list?path=.").json()
    assert answer["path"] == "."
    assert [entry["name"] for entry in answer["entries"]] == ["a", "b", "to a", "apple", "loose", "zebra"]
    assert [entry["size"] for entry in answer["entries"]] == [None, None, None, 5, 7, 5]
    assert answer["entries"][3] == {"name": "apple", "is_dir": False, "size": 5, "modified_at": 1_700_000_000_123}
    assert all(entry["is_dir"] is (entry["size"] is None) for entry in answer["entries"])


def test_a_name_that_is_not_text_can_be_used_again(box: Box, folder: Path) -> None:
    name = b"caf\xe9 %41"
    Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"found")
    (entry,) = entries(box, ".")
    assert entry["name"] == "caf\ufffd %41"
    assert entry["name_encoded"] == "caf%E9%20%2541"
    assert get(box, entry["name_encoded"]).content == b"found"


@pytest.mark.parametrize("method, route", [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/list")])
def test_dots_do_not_lead_out(box: Box, method: str, route: str) -> None:
    paths = ["..", "../x", "a/../b", "/etc/..", "%2e%2e/x", "a%2F..%2Fb", "..%2f"]
    found = {path: box.refused(method, f"/files{route}?path={path}")[:2] for path in paths}
    assert found == dict.fromkeys(paths, (403, "PATH_TRAVERSAL"))


def test_refusals(box: Box, folder: Path) -> None:
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    expected = [
        ("GET", "/files?path=missing", 404, "NOT_FOUND"),
        ("GET", "/files?path=file/below", 400, "NOT_A_DIRECTORY"),
        ("GET", "/files?path=folder", 400, "IS_DIRECTORY"),
        ("GET", "/files?path=fifo", 400, "NOT_A_FILE"),
        ("GET", "/files?path=/dev/zero", 400, "NOT_A_FILE"),
        ("GET", "/files?path=loop", 400, "BAD_PATH"),
        ("GET", "/files?path=" + "n" * 256, 400, "BAD_PATH"),
        ("GET", "/files?path=a%00b", 400, "BAD_PATH"),
        ("GET", "/files?path=", 400, "BAD_PATH"),
        ("GET", "/files", 400, "BAD_PATH"),
        ("PUT", "/files?path=folder", 400, "IS_DIRECTORY"),
        ("PUT", "/files?path=new/", 400, "IS_DIRECTORY"),
        ("PUT", "/files?path=file/", 400, "NOT_A_DIRECTORY"),
        ("PUT", "/files?path=file/below", 400, "NOT_A_DIRECTORY"),
        ("PUT", "/files?path=file/far/below", 400, "NOT_A_DIRECTORY"),
        ("PUT", "/files?path=fifo", 400, "NOT_A_FILE"),
        ("PUT", "/files?path=/dev/null", 400, "NOT_A_FILE"),
        ("PUT", "/files?path=loop", 400, "NOT_A_FILE"),
        ("PUT", "/files?path=" + "n" * 256, 400, "BAD_PATH"),
        ("PUT", "/files", 400, "BAD_PATH"),
        ("DELETE", "/files?path=missing", 404, "NOT_FOUND"),
        ("DELETE", "/files?path=folder", 500, "IS_DIRECTORY"),
        ("GET", "/files/list?path=missing", 404, "NOT_FOUND"),
        ("GET", "/files/list?path=file", 400, "NOT_A_DIRECTORY"),
        ("GET", "/files/list?path=fifo", 400, "NOT_A_DIRECTORY"),
    ]
    found = [(method, path, *box.refused(method, path)[:2]) for method, path, *_ in expected]
    assert found == expected
    assert sorted(os.listdir(folder)) == ["fifo", "file", "folder", "loop"]
    assert "Traceback" not in box.host.log


def test_files_belong_to_a_sandbox(kept_host: LiveHost) -> None:
    answer = kept_host.http.get("/api/v1/files?path=/etc/passwd", headers={"X-Tensorlake-Sandbox-Id": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, "SANDBOX_NOT_FOUND")
    assert kept_host.http.get("/api/v1/files?path=/etc/passwd").json()["code"] == "MISSING_SANDBOX_ID"


def test_without_a_project_a_path_begins_at_home(kept_box: Box) -> None:
    box = kept_box
    row = box.begin("pwd", name="where")
    home = box.first_lines("where", 1)[0]
    assert row["pid"]
    assert box.ask("GET", "/files/list?path=.").json()["entries"] == entries(box, home)


def test_modes_are_as_a_process_would_give_them(box: Box, folder: Path) -> None:
    put(box, "a/b/new", b"")
    modes = [stat.S_IMODE((folder / text).stat().st_mode) for text in ("a", "a/b", "a/b/new")]
    assert modes == [0o755, 0o755, 0o644]


def test_an_existing_file_keeps_its_mode_and_owner(box: Box, folder: Path) -> None:
    (folder / "run.sh").write_text("old")
    (folder / "run.sh").chmod(0o750)
    owner = (1234, 4321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(folder / "run.sh", *owner)
    put(box, "run.sh", b"new")
    found = (folder / "run.sh").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o750, *owner)
    assert (folder / "run.sh").read_text() == "new"


def test_links_are_written_through(box: Box, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real/target")
    (folder / "folder link").symlink_to("real")
    put(box, "link", b"one")
    put(box, "folder+link/two", b"two")
    assert (folder / "link").is_symlink()
    assert (folder / "real/target").read_text() == "one"
    assert (folder / "real/two").read_text() == "two"
    box.ask("DELETE", "/files?path=link")
    assert (folder / "real/target").exists()
    assert not (folder / "link").is_symlink()


def test_a_file_that_is_mounted_by_itself_is_written_in_place(box: Box, folder: Path) -> None:
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount")
    (folder / "real").write_text("a long old text")
    (folder / "mounted").touch()
    if subprocess.run([mount, "--bind", folder / "real", folder / "mounted"], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        assert put(box, "mounted", b"new").status_code == 204
        assert (folder / "real").read_text() == (folder / "mounted").read_text() == "new"
    finally:
        subprocess.run(["umount", folder / "mounted"], check=True)
    assert sorted(os.listdir(folder)) == ["mounted", "real"]


def test_an_open_reader_continues_to_read_the_old_file(box: Box, folder: Path) -> None:
    (folder / "it").write_bytes(b"old" * MEGABYTE)
    with (folder / "it").open("rb") as reader:
        begin = reader.read(10)
        put(box, "it", b"new")
        assert begin + reader.read() == b"old" * MEGABYTE
    assert (folder / "it").read_bytes() == b"new"


def test_a_body_that_breaks_off_leaves_the_old_file(box: Box, folder: Path) -> None:
    (folder / "it").write_text("old")
    for head in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(box.host.path))
            sock.sendall(b"PUT /api/v1/files?path=it HTTP/1.1\r\nHost: box.local\r\n" + head + b"\r\n\r\n")
            sock.sendall(b"186A0\r\n" + b"x" * 100_000)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(box.host.path))
        head = b"PUT /api/v1/files?path=fresh/it HTTP/1.1\r\nHost: box.local\r\nTransfer-Encoding: chunked\r\n\r\n"
        sock.sendall(head + b"5\r\nhello\r\nnot a length\r\n")
        answer = b"".join(iter(lambda: sock.recv(1000), b""))  # up to the end: it is closed
        assert answer.startswith(b"HTTP/1.1 400 ")
    put(box, "later", b"")
    assert sorted(os.listdir(folder)) == ["it", "later"]
    assert (folder / "it").read_text() == "old"
    assert "Traceback" not in box.host.log


def test_a_reader_never_sees_half_a_file(box: Box, folder: Path) -> None:
    whole = {letter * MEGABYTE for letter in (b"a", b"b")}
    (folder / "it").write_bytes(b"a" * MEGABYTE)
    done = threading.Event()
    torn: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            data = (folder / "it").read_bytes()
            if data not in whole:
                torn.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(20):
            put(box, "it", (b"b", b"a")[number % 2] * MEGABYTE)
    finally:
        done.set()
        reader.join()
    assert not torn


def test_what_others_append_while_it_is_read_is_not_part_of_the_answer(box: Box, folder: Path) -> None:
    (folder / "log").write_bytes(b"x" * 8 * MEGABYTE)
    with box.host.http.stream("GET", "/api/v1/files?path=log", headers=box.headers) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        with (folder / "log").open("ab") as file:
            file.write(b"later")
        assert len(first + b"".join(pieces)) == 8 * MEGABYTE


def test_a_file_that_shrinks_while_it_is_read_breaks_off(box: Box, folder: Path) -> None:
    (folder / "log").write_bytes(b"x" * 64 * MEGABYTE)
    with box.host.http.stream("GET", "/api/v1/files?path=log", headers=box.headers) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        os.truncate(folder / "log", 0)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert "Traceback" not in box.host.log


def test_files_that_do_not_tell_their_size(box: Box) -> None:
    assert get(box, "/proc/self/status").text.startswith("Name:")
    assert get(box, "/proc/cpuinfo").content == Path("/proc/cpuinfo").read_bytes()


def test_a_head_tells_the_size(box: Box, folder: Path) -> None:
    (folder / "big").write_bytes(b"")
    os.truncate(folder / "big", 10**12)
    answer = box.ask("HEAD", "/files?path=big")
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(10**12))


def test_readers_that_hang_up_or_never_read_leave_nothing_open(box: Box, folder: Path) -> None:
    (folder / "big").write_bytes(b"")
    os.truncate(folder / "big", 10**11)
    server = box.host.status["pid"]
    head = b"GET /api/v1/files?path=big HTTP/1.1\r\nHost: box.local\r\n\r\n"
    for _ in range(10):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(box.host.path))
            sock.sendall(head)
            sock.recv(1000)
    until(lambda: str(folder / "big") not in targets(server))
    assert "Traceback" not in box.host.log


def test_a_slow_reader_blocks_nothing(kept_host: LiveHost, folder: Path) -> None:
    box = kept_host.box(project_directory=str(folder))
    (folder / "big").write_bytes(b"")
    os.truncate(folder / "big", 10**11)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(box.host.path))
        sock.sendall(b"GET /api/v1/files?path=big HTTP/1.1\r\nHost: box.local\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        for number in range(20):
            assert put(box, f"n{number}", b"x").status_code == 204
        status = Path(f"/proc/{box.host.status['pid']}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        assert int(resident.split()[1]) < 150_000


def client(box: Box) -> Transport:
    return Transport(HostAddress(path=str(box.host.path)))


def endless(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * MEGABYTE


def test_our_client_sends_and_fetches_in_a_stream(box: Box, folder: Path, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    with source.open("wb") as file:
        file.writelines(endless(20))

    async def there_and_back() -> None:
        async with client(box) as transport:
            files = SandboxClient(transport, box.id).files
            with source.open("rb") as file:
                file.seek(3)
                assert await files.send("x/copy", file) == 20 * MEGABYTE - 3
            with back.open("wb") as file:
                assert await files.fetch("x/copy", file) == 20 * MEGABYTE - 3
            await files.write("small", b"small")
            assert await files.read(str(folder / "small")) == b"small"
            assert [(item.name, item.is_dir, item.size) for item in await files.list()] == [
                ("x", True, None),
                ("small", False, 5),
            ]
            await files.delete("small")
            with pytest.raises(NotFound):
                await files.delete("small")

    asyncio.run(there_and_back())
    assert back.read_bytes() == source.read_bytes()[3:]
    assert not (folder / "small").exists()


def test_our_client_with_names_that_are_not_text(box: Box) -> None:
    async def there_and_back() -> None:
        async with client(box) as transport:
            files = SandboxClient(transport, box.id).files
            await files.write(b"\xff+ %20", b"odd")
            (entry,) = await files.list(".")
            assert entry.raw_name == b"\xff+ %20"
            assert await files.read(entry.raw_name) == await files.read(os.fsdecode(entry.raw_name)) == b"odd"

    asyncio.run(there_and_back())


def test_a_refusal_ends_the_sending(box: Box, folder: Path) -> None:
    sent = 0

    async def forever() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        while True:
            yield b"x" * MEGABYTE
            sent += 1

    async def send(path: str) -> Refused:
        async with client(box) as transport:
            with pytest.raises(Refused) as refused:
                await SandboxClient(transport, box.id).files.write(path, StreamedBody(forever()))
            return refused.value

    (folder / "folder").mkdir()
    refused = asyncio.run(send("folder"))
    assert (refused.status, refused.code) == (400, "IS_DIRECTORY")
    assert sent < 1000


def test_a_source_that_fails_leaves_the_old_file(box: Box, folder: Path, tmp_path: Path) -> None:
    (folder / "it").write_text("old")
    (tmp_path / "source").write_bytes(b"x" * 4 * MEGABYTE)

    class Shrinking(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            os.truncate(tmp_path / "source", MEGABYTE)
            return super().read(size) or b""

    async def send() -> None:
        async with client(box) as transport:
            with Shrinking(tmp_path / "source") as file:
                await SandboxClient(transport, box.id).files.send("it", cast(BinaryIO, file))

    with pytest.raises(SbxError, match="became shorter"):
        asyncio.run(send())
    put(box, "later", b"")
    assert (folder / "it").read_text() == "old"
