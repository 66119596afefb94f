"""A sandbox's file system without a sandbox: a folder, the shell of this machine, and a network that can be cut."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from sbxcompose.errors import Unreachable
from sbxcompose.files.remote import RemoteResult, Streamed


class FolderRemote:
    """See `sbxcompose.files.remote.Remote`. `cut` is asked before and after each request whether it is lost."""

    def __init__(self, *, cut: Callable[[str], bool] = lambda moment: False, shell: tuple[str, ...] = ()) -> None:
        self._cut = cut
        self._shell = shell
        self.requests: list[str] = []

    async def read(self, path: str) -> bytes | None:
        self._begin("read", path)
        try:
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None
        finally:
            self._end("read")

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        data = await self.read(path)
        if data is not None:
            take(data)
        return data is not None

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        self._begin("write", path)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pieces = [contents] if isinstance(contents, bytes) else [piece async for piece in contents.pieces]
        whole = b"".join(pieces)
        if self._cut("half a write"):
            Path(path).write_bytes(whole[: len(whole) // 2])
            raise Unreachable("the connection was cut")
        Path(path).write_bytes(whole)
        self._end("write")

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        self._begin("run", " ".join(arguments))
        command = [*self._shell, *arguments] if self._shell else list(arguments)
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        self._end("run")
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return RemoteResult(code, os.fsdecode(done.stderr[-2000:]), os.fsdecode(done.stdout[:2000]))

    def _begin(self, what: str, detail: str) -> None:
        self.requests.append(f"{what} {detail}")
        if self._cut(f"before a {what}"):
            raise Unreachable("the connection was cut")

    def _end(self, what: str) -> None:
        if self._cut(f"after a {what}"):
            raise Unreachable("the connection was cut")
