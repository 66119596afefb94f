"""The file system of a sandbox, through the clients of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from sbxcompose.api.connection import StreamedBody
from sbxcompose.api.models import StartRequest
from sbxcompose.api.sandbox import RunLine, SandboxClient
from sbxcompose.errors import NotFound, Refused, Unreachable
from sbxcompose.files.parts import TOO_LARGE, BodyLimit, write_in_parts
from sbxcompose.files.remote import RemoteResult, Streamed
from sbxcompose.threads import call_in_thread

WORDS = 2000
"""Characters of a command's errors that are kept."""


class SandboxRemote:
    """A remote file system through the routes of the contract for files and commands."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client
        self._limit = BodyLimit()

    async def read(self, path: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""
        try:
            return await self._client.files.read(path)
        except NotFound:
            return None

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        """Hand the contents to `take` piece by piece; return whether the file exists."""
        try:
            async with self._client.files.open(path) as stream:
                async for piece in stream.chunks():
                    await call_in_thread(take, piece)
        except NotFound:
            return False
        return True

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        """Write a file, whole or as a stream."""
        size = contents.size if isinstance(contents, Streamed) else len(contents)
        if self._limit.allows(size):
            try:
                await self._write_whole(path, contents)
                return
            except Refused as error:
                if error.status != TOO_LARGE:
                    raise
                self._limit.refused(path, size, size, error)
            except Unreachable as error:
                if not self._limit.doubted(size, error):
                    raise
        pieces = contents.pieces if isinstance(contents, Streamed) else _pieces(contents)
        await write_in_parts(path, size, pieces, self._limit, self._client.files.write, self.run)

    async def _write_whole(self, path: str, contents: bytes | Streamed) -> None:
        if isinstance(contents, Streamed):
            body = StreamedBody(contents.pieces, contents.size, contents.begin)
            await self._client.files.write(path, body)
        else:
            await self._client.files.write(path, contents)

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        """Run a command and keep the beginning of its output."""
        words: dict[str, list[str]] = {"stdout": [], "stderr": []}

        def note(line: RunLine) -> None:
            kept = words[line.stream]
            if sum(map(len, kept)) < WORDS:
                kept.append(line.text.rstrip("\n"))

        request = StartRequest(command=arguments[0], args=list(arguments[1:]), working_dir="/")
        try:
            exit = await self._client.run(request, output=note)
        except Refused as error:
            if error.status == 500:
                return RemoteResult(127, error.message)
            raise
        code = 128 + exit.signal if exit.signal is not None else exit.exit_code
        return RemoteResult(1 if code is None else code, "\n".join(words["stderr"]), "\n".join(words["stdout"]))


async def _pieces(contents: bytes) -> AsyncIterator[bytes]:
    yield contents
