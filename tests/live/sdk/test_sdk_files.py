"""Files through the vendor's Python and TypeScript SDKs (contract, section 4).

In a sandbox as a client gets it, which is isolated where this machine permits it, and in one that is not.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.sdk.clients import ClientError, Host, Sdk, peak_kilobytes

LARGE = 1 << 27
"""Bytes of a file that is many times what the host may keep of it."""
ROOM = 64 * 1024
"""Kilobytes by which the host may grow while a large file passes through it."""
NAMES = ["plain.txt", "with space", "grüße-日本", "a+b&c=d", "100%", "q?x#y", "new\nline", "'quoted\"", "-n"]


@pytest.fixture(params=["as-it-is-made", "not-isolated"])
def box(request: pytest.FixtureRequest, vendor_host: Host) -> Iterator[str]:
    """The name of a new sandbox, which is terminated after the test."""
    name = vendor_host.box(**({"isolation": "none"} if request.param == "not-isolated" else {}))
    yield name
    vendor_host.delete(name)


def test_a_file_of_any_name_and_bytes_there_and_back(sdk: Sdk, box: str, vendor_host: Host, tmp_path: Path) -> None:
    for name in NAMES:
        path = str(tmp_path / "new" / "folders" / name)
        content = bytes(range(256)) * 4
        code = f"""
            await sb.write_file({path!r}, {content!r})
            return await sb.read_file({path!r})
        """
        assert base64.b64decode(sdk(code, box)) == content, name
        assert vendor_host.file(box, path) == content, name
        sdk(f"await sb.delete_file({path!r})", box)
        assert vendor_host.file(box, path) is None, name


def test_a_write_replaces_what_was_there(sdk: Sdk, box: str, vendor_host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    vendor_host.write(box, path, b"long content")
    sdk(f"await sb.write_file({str(path)!r}, b'short')", box)
    assert vendor_host.file(box, path) == b"short"
    sdk(f"await sb.write_file({str(path)!r}, b'')", box)
    assert vendor_host.file(box, path) == b""


def test_a_directory_is_listed_with_directories_first(sdk: Sdk, box: str, vendor_host: Host, tmp_path: Path) -> None:
    here = tmp_path / "here"
    for name, content in (("z-folder/file", b""), ("a file", b"12345"), (".hidden", b"")):
        vendor_host.write(box, here / name, content)
    told = sdk(f"return await sb.list_directory({str(here)!r})", box)
    assert told["path"] == str(here)
    assert [(entry["name"], entry["is_dir"], entry["size"]) for entry in told["entries"]] == [
        ("z-folder", True, None),
        (".hidden", False, 0),
        ("a file", False, 5),
    ]
    assert all(entry["modified_at"] for entry in told["entries"])


def test_a_relative_path_begins_where_processes_do(sdk: Sdk, box: str) -> None:
    name = f"note-{box}-{sdk.kind}"
    code = f"""
        await sb.write_file({name!r}, b"hi")
        shown = (await sb.run("cat", [{name!r}])).stdout
        await sb.delete_file({name!r})
        return shown
    """
    assert sdk(code, box) == "hi"


REFUSED = [
    ("read_file('{here}/nothing')", 404, "NOT_FOUND"),
    ("read_file('{here}')", 400, "IS_DIRECTORY"),
    ("read_file('{here}/../x')", 403, "PATH_TRAVERSAL"),
    ("write_file('{here}/../x', b'')", 403, "PATH_TRAVERSAL"),
    ("delete_file('{here}/nothing')", 404, "NOT_FOUND"),
    ("delete_file('{here}/../x')", 403, "PATH_TRAVERSAL"),
    ("delete_file('{here}')", 500, None),
    ("list_directory('{here}/nothing')", 404, "NOT_FOUND"),
    ("list_directory('{here}/file')", 400, "NOT_A_DIRECTORY"),
    ("list_directory('{here}/..')", 403, "PATH_TRAVERSAL"),
]
"""A call, and the status and the code with which it is refused."""


def test_refusals(sdk: Sdk, box: str, vendor_host: Host, tmp_path: Path) -> None:
    vendor_host.write(box, tmp_path / "file")
    for call, status, code in REFUSED:
        with pytest.raises(ClientError) as raised:
            sdk(f"await sb.{call.format(here=tmp_path)}", box)
        assert raised.value.status_code == status, call
        assert code is None or raised.value.code == code, call
        assert vendor_host.file(box, tmp_path / "file") == b"", call


@pytest.mark.time_limit(400)
@pytest.mark.parametrize("box", ["as-it-is-made"], indirect=True)
def test_a_large_file_there_and_back_through_little_memory(
    sync_sdk: Sdk, box: str, vendor_host: Host, tmp_path: Path
) -> None:
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    pieces = [os.urandom(1 << 20) for _ in range(4)]
    with source.open("wb") as file:
        for at, piece in zip((0, LARGE // 3, LARGE // 2, LARGE - len(pieces[3])), pieces, strict=True):
            file.seek(at)
            file.write(piece)
    before = peak_kilobytes(vendor_host.server_pid)
    sync_sdk(f"sb.upload_file({str(source)!r}, {str(there)!r})", box, patience=200)
    with (
        vendor_host.http.stream(
            "GET", "/api/v1/files", params={"path": str(there)}, headers={"X-Tensorlake-Sandbox-Id": box}
        ) as answer,
        back.open("wb") as file,
    ):
        for piece in answer.iter_raw():
            file.write(piece)
    assert same(source, back)
    assert peak_kilobytes(vendor_host.server_pid) - before < ROOM


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes, without having them in memory."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while piece := left.read(1 << 20):
            if piece != right.read(1 << 20):
                return False
    return True


def test_typescript_writes_reads_lists_and_deletes(ts: Sdk, box: str, vendor_host: Host, tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "grüße +1.bin")
    code = f"""
        const path = {path!r}, content = Uint8Array.from({{ length: 256 }}, (_, each) => each);
        await sb.writeFile(path, content);
        const back = Array.from(await sb.readFile(path));
        const listed = await sb.listDirectory({str(tmp_path / "new")!r});
        await sb.deleteFile(path);
        return [back, listed];
    """
    back, listed = ts(code, box)
    assert back == list(range(256))
    assert [(entry["name"], entry["size"]) for entry in listed["entries"]] == [("grüße +1.bin", 256)]
    assert vendor_host.file(box, path) is None
