"""Ten thousand small files into a sandbox: the first time, beside `tar | tar`, and when nothing has changed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import samples_of, timed
from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.files.read import Memory
from sbxcompose.files.sandbox_remote import SandboxRemote
from sbxcompose.files.scan import CopySource
from sbxcompose.files.transfer import Copy

TITLE = "copying"
FILES = 10_000
SIZE = 4_000
KEY = "a-key-for-benchmarks"
SERVE = f"from sbxcompose.engine.local_host import launch; launch.ensure_host(port=0, key={KEY!r})"
SPEC = "name: copying\nsandboxes: {app: {workspace: copy, files: [src]}}\n"


def _grow(root: Path, files: int) -> None:
    rng = random.Random(1)
    for number in range(files):
        file = root / f"d{number // 100}" / f"f{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rng.randbytes(SIZE))


class _Work:
    """A tree, a host that listens on loopback TCP, and a sandbox in it."""

    def __init__(self, lab: Lab, bench: Bench, files: int) -> None:
        self.source = bench.directory / "src"
        self._place = bench.directory / "there"
        self._memory = bench.directory / "memory"
        _grow(self.source, files)
        subprocess.run([lab.python, "-c", SERVE], env=bench.env, check=True)
        status = json.loads(bench.sbx("host", "status", "--json"))
        self._address = HostAddress(port=int(status["tcp"].rpartition(":")[2]), key=KEY)
        self._number = 0

    def _fresh(self) -> Path:
        self._number += 1
        place = self._place / str(self._number)
        place.mkdir(parents=True)
        return place

    def tar(self) -> float:
        """Seconds that `tar | tar` takes."""
        place = self._fresh()
        took = timed(["sh", "-c", f"tar -C {self.source} -cf - . | tar -C {place} -xf -"], place, dict(os.environ))
        shutil.rmtree(place)
        return took

    def first(self) -> float:
        """Seconds for the first copy: nothing is known, nothing is there."""
        place = self._fresh()
        self._memory.unlink(missing_ok=True)
        took = asyncio.run(self._copy(self._create(), place))
        shutil.rmtree(place)
        return took

    def again(self, sandbox: str, place: Path) -> float:
        """Seconds for a copy when all is there. Raises `RuntimeError` if it was not."""
        return asyncio.run(self._copy(sandbox, place, changed=False))

    def in_step(self) -> tuple[str, Path]:
        """A sandbox, and a place in which the tree is, and is known to be: other sandboxes have roots of their own."""
        sandbox, place = self._create(), self._fresh()
        asyncio.run(self._copy(sandbox, place))
        return sandbox, place

    def _create(self) -> str:
        async def create() -> str:
            transport = Transport(self._address)
            try:
                return await Lifecycle(transport).create(CreateRequest(timeout_secs=0))
            finally:
                transport.close()

        return asyncio.run(create())

    async def _copy(self, identifier: str, place: Path, *, changed: bool = True) -> float:
        transport = Transport(self._address)
        try:
            remote = SandboxRemote(SandboxClient(transport, identifier))
            begun = time.perf_counter()
            copy = Copy(remote, str(place), [CopySource(str(self.source))], Memory(self._memory), "bench")
            copied = await copy.sync()
            took = time.perf_counter() - begun
            if copied and not changed:
                raise RuntimeError(f"{copied.files} files were copied again")
            return took
        finally:
            transport.close()


def run(lab: Lab) -> Iterator[Figure]:
    files = FILES // 10 if lab.quick else FILES
    with lab.bench() as bench:
        work = _Work(lab, bench, files)
        took = samples_of({OURS: work.first, "tar | tar": work.tar}, lab.runs(3))
        what = f"{files:,} files, {files * SIZE // 10**6} MB, first copy over TCP"
        for who, sample in took.items():
            yield Figure.of(what, who, sample, "s", "aim 2 x of tar" if who == OURS else "")
        step = work.in_step()
        again = samples_of({OURS: lambda: work.again(*step)}, lab.runs(5))[OURS]
        yield Figure.of(f"{files:,} files, nothing changed", OURS, again, "s", "aim 0.3")
        bench.write("sbxcompose.yaml", SPEC)
        bench.sbx("up", "-d")
        command = samples_of({OURS: lambda: timed([lab.ours, "up", "-d"], bench.directory, bench.env)}, lab.runs(5))[
            OURS
        ]
        yield Figure.of(f"{files:,} files, nothing changed: all of `up -d`", OURS, command, "s", "aim 0.3")
