"""What is done over a network that misbehaves, and what must be true afterwards: right end state, nothing lost, nothing
doubled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import sbxcompose
from sbxcompose.client.project import OpenProject
from sbxcompose.engine.apply_loop import ApplyLoop
from sbxcompose.engine.file_watch import FileWatch
from sbxcompose.engine.session import Session
from sbxcompose.files.by_hand import ByHand, CopyOptions, SandboxPath
from sbxcompose.files.sandbox_remote import SandboxRemote
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.open import open_project
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest
from sbxcompose.tasks import run_beside

LINES = 40
"""Lines that a run of `web` writes to each of its streams."""
SPEC = """
name: NAME
provider: tensorlake
sandboxes:
  main:
    workspace: HERE/there
    env: {MARKER}
    files: [site]
    processes:
      job: {command: "echo $$$$ job >> HERE/starts; echo done", restart: never}
      web:
        command: >-
          echo $$$$ web >> HERE/starts; i=0;
          while [ $$i -lt LINES ]; do i=$$((i+1)); echo $$$$ $$i; echo $$$$ $$i >&2;
          [ $$((i % 20)) != 0 ] || sleep 0.05; done; exec sleep 1000
        depends_on: {job: completed}
      chat:
        command: >-
          echo $$$$ chat >> HERE/starts; i=0;
          while [ $$i -lt LINES ]; do i=$$((i+1)); echo $$$$ $$i; sleep 0.02; done; exec sleep 1000
        depends_on: {job: completed}
      page:
        command: "echo $$$$ page >> HERE/starts; cat site/page; exec sleep 1000"
        watch: [{path: site/page, action: sync+restart}]
"""


class Round:
    """Steps of a user with one project; `environ` leads to the cloud, `marker` is what the processes carry."""

    def __init__(self, directory: Path, marker: str, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self.name = directory.name
        self._environ = environ
        self._page = directory / "site" / "page"
        self._page.parent.mkdir(parents=True)
        self._page.write_text("first\n")
        text = SPEC.replace("HERE", str(directory)).replace("NAME", self.name).replace("MARKER", marker)
        (directory / "sbxcompose.yaml").write_text(text.replace("LINES", str(LINES)))
        self._open: OpenProject = sbxcompose.open_project(directory=directory, env=environ)
        self._seen: list[tuple[str, str, str]] = []
        """Process, stream and text of each line that `logs -f` has shown."""
        self._news = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def steps(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What is done, one after the other."""
        return (
            self.up,
            self.follow,
            self.restart,
            self.execute,
            self.copy,
            self.watch,
            self.down,
            self.up_again,
            self.down,
        )

    async def close(self) -> None:
        """End what has not ended."""
        if self._following is not None:
            self._following.cancel()
            with suppress(BaseException):
                await self._following

    async def up(self) -> None:
        """`up --wait`: everything is started once."""
        await self._open.up(wait=True, timeout=300)
        await self._check_starts(job=1, web=1, chat=1, page=1)

    async def follow(self) -> None:
        """`logs -f`: every line of both streams of one process, and of another beside it."""
        self._following = asyncio.create_task(self._follow())
        await self._until(3 * LINES)
        self._check_lines()

    async def restart(self) -> None:
        """`restart web`, which `logs -f` follows on: every line of both runs."""
        await self._open.restart("web")
        await self._check_starts(job=1, web=2, chat=1, page=1)
        await self._until(5 * LINES)
        self._check_lines()

    async def execute(self) -> None:
        """`exec`: each command once, its whole output, its exit code."""
        for number in range(2):
            script = f"echo {number} >> {self.directory}/executed; seq 200; echo err >&2; exit {number}"
            done = await self._open.exec("web", script)
            assert (done.exit_code, done.stderr) == (number, b"err\n"), done
            assert done.stdout.split() == [b"%d" % one_number for one_number in range(1, 201)], done
        assert (self.directory / "executed").read_text() == "0\n1\n"

    async def copy(self) -> None:
        """`cp` into the sandbox and out of it, a folder and a file: exact."""
        tree, copied, back, single = (self.directory / name for name in ("tree", "copied", "back", "single"))
        (tree / "below").mkdir(parents=True)
        (tree / "one").write_bytes(bytes(range(256)) * 40)
        (tree / "below" / "two").write_text("two\n")
        async with Session(self._project(), environ=self._environ) as session:
            await session.observe()
            hand = ByHand(SandboxRemote(session.connections["main"].client), CopyOptions())
            await hand.put(str(tree), SandboxPath(str(copied), "copied"))
            await hand.get(SandboxPath(str(copied), "copied"), str(back))
            await hand.put(str(tree / "one"), SandboxPath(str(copied / "single"), "single"))
            await hand.get(SandboxPath(str(copied / "single"), "single"), str(single))
        assert _picture(back) == _picture(tree)
        assert _picture(copied) == {**_picture(tree), "single": single.read_bytes()}
        assert single.read_bytes() == (tree / "one").read_bytes()
        left = [path.name for path in self.directory.rglob(".*") if path.name not in (".sbxcompose", ".gitignore")]
        left += [path.name for path in (self.directory / "there" / ".sbxcompose").glob("in.*")]
        assert left == [], left

    async def watch(self) -> None:
        """Watching: what is saved is copied, and restarts its process once."""
        shown, news = bytearray(), asyncio.Event()

        def output(instance: object, stream: int, run: int, time_ms: int, data: bytes) -> None:
            shown.extend(data)
            news.set()

        async with Session(self._project(), environ=self._environ, output=True) as session:
            session.on_connection(lambda connection: connection.listen(output))
            loop = ApplyLoop(session)
            files = FileWatch(session, loop)

            async def save() -> None:
                await files.watch([("main", "page")])
                loop.bring_up(PlanOptions())
                await loop.wait_until(lambda: not loop.busy)
                self._page.write_text("second\n")
                while not shown:
                    news.clear()
                    await news.wait()
                await loop.wait_until(lambda: not loop.busy)

            await run_beside(save(), loop.run(), files.run())
        assert bytes(shown) == b"second\n", shown
        await self._check_starts(job=1, web=2, chat=1, page=2)

    async def down(self) -> None:
        """`down`: nothing runs."""
        await self.close()
        before = self._starts()
        await self._open.down()
        assert self._starts() == before, self._starts()

    async def up_again(self) -> None:
        """`up` after a `down`: resumed, and everything is started once more."""
        await self._open.up(wait=True, timeout=300)
        await self._check_starts(job=2, web=3, chat=2, page=3)
        live = {process.name for process in await self._open.ps() if process.pid is not None}
        assert live == {"web", "chat", "page"}, live

    def _project(self) -> Project:
        return open_project(LoadRequest(directory=str(self.directory), environ=dict(self._environ)))

    async def _follow(self) -> None:
        async for line in self._open.logs("web", "chat", follow=True, all=True):
            self._seen.append((line.process, line.stream, line.text))
            self._news.set()

    async def _until(self, count: int) -> None:
        """Wait until so many lines have been shown."""
        assert self._following is not None
        while len(self._seen) < count:
            self._news.clear()
            waiting = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({waiting, self._following}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if self._following.done():
                self._following.result()
                raise AssertionError("the follow has ended")

    def _check_lines(self) -> None:
        for process, stream in (("web", "stdout"), ("web", "stderr"), ("chat", "stdout")):
            runs = [pid for pid, word in map(str.split, self._started()) if word == process]
            shown = [text for *where, text in self._seen if where == [process, stream]]
            wanted = [f"{pid} {number}" for pid in runs for number in range(1, LINES + 1)]
            differ = f"{Counter(shown) - Counter(wanted)}, {Counter(wanted) - Counter(shown)}"
            assert shown == wanted, f"{process}, {stream}: {differ}"

    async def _check_starts(self, **wanted: int) -> None:
        """What has been started notes that itself, as the first thing that it does."""
        while self._starts() < Counter(wanted):
            await asyncio.sleep(0.02)
        assert self._starts() == wanted, self._starts()

    def _starts(self) -> Counter[str]:
        return Counter(word for _, word in map(str.split, self._started()))

    def _started(self) -> list[str]:
        try:
            return (self.directory / "starts").read_text().splitlines()
        except FileNotFoundError:
            return []


def _picture(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b"" for path in directory.rglob("*")
    }


STEPS = 9
"""Steps of a round, each with a schedule of its own."""
