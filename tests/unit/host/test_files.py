"""What a request's path means, and what is said of what goes wrong with it."""

from __future__ import annotations

import asyncio
import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.files.read import problem, resolve
from sbxcompose.host.routes import common
from sbxcompose.host.routes.common import query_bytes
from tests.support.cases import each_case

PARTS = st.lists(st.binary(min_size=1, max_size=8).filter(lambda part: not set(part) & {0, 0x2F} and part != b".."))


@given(PARTS)
def test_a_relative_path_begins_at_the_base_and_keeps_its_bytes(parts: list[bytes]) -> None:
    path = b"/".join([b"x", *parts])
    assert resolve(path, "/base/é") == "/base/é/".encode() + path
    assert resolve(b"/" + path, "/base") == b"/" + path


@given(PARTS, PARTS)
def test_a_path_with_two_dots_is_refused_wherever_they_are(before: list[bytes], after: list[bytes]) -> None:
    with pytest.raises(Problem) as refused:
        resolve(b"/".join([*before, b"..", *after]), "/base")
    assert (refused.value.status, refused.value.code) == (403, "PATH_TRAVERSAL")


@pytest.mark.parametrize("given", [None, b"", b"a\0b"])
def test_no_path_at_all(given: bytes | None) -> None:
    with pytest.raises(Problem) as refused:
        resolve(given, "/base")
    assert (refused.value.status, refused.value.code) == (400, "BAD_PATH")


@each_case(
    "number, status, code",
    [
        (errno.ENOENT, 404, "NOT_FOUND"),
        (errno.EISDIR, 400, "IS_DIRECTORY"),
        (errno.ENOTDIR, 400, "NOT_A_DIRECTORY"),
        (errno.EACCES, 403, "PERMISSION_DENIED"),
        (errno.EROFS, 403, "PERMISSION_DENIED"),
        (errno.ELOOP, 400, "BAD_PATH"),
        (errno.ENAMETOOLONG, 400, "BAD_PATH"),
        (errno.ENOSPC, 500, "NO_SPACE"),
        (errno.EDQUOT, 500, "NO_SPACE"),
        (errno.EIO, 500, "INTERNAL_ERROR"),
    ],
)
def test_every_error_names_the_file(number: int, status: int, code: str) -> None:
    told = problem(OSError(number, ""), b"some/caf\xe9")
    assert (told.status, told.code) == (status, code)
    assert told.error.startswith("some/caf\ufffd: ")


def request(query: bytes) -> Request:
    return Request({"type": "http", "query_string": query, "headers": []})


@given(st.binary())
def test_a_query_keeps_its_bytes(value: bytes) -> None:
    encoded = b"".join(b"%%%02X" % byte for byte in value)
    assert query_bytes(request(b"a=b&path=" + encoded + b"&c"), "path") == value


@each_case(
    "query, value",
    [
        (b"path=a+b%20c%2Bd", b"a b c+d"),
        (b"path=a=b", b"a=b"),
        (b"path", b""),
        (b"path=one&path=two", b"one"),
        (b"pa%74h=x", b"x"),
        (b"", None),
        (b"paths=x", None),
        (b"path=%zz%4", b"%zz%4"),
    ],
)
def test_what_a_query_may_look_like(query: bytes, value: bytes | None) -> None:
    assert query_bytes(request(query), "path") == value


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(common, "PATIENCE", 0.01)
    waiting = Request({"type": "http", "query_string": b"", "headers": []}, receive)
    with pytest.raises(Problem) as refused:
        asyncio.run(common.read_body(waiting))
    assert (refused.value.status, refused.value.code) == (408, "TIMEOUT")
