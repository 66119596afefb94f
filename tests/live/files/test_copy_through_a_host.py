"""Trees copied into a sandbox of a real host: over its Unix socket, over TCP, and over a faulty network."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.files import carry, transfer
from sbxcompose.files.read import Memory
from sbxcompose.files.sandbox_remote import SandboxRemote
from sbxcompose.files.scan import CopySource
from sbxcompose.files.transfer import Copy
from tests.live.files.faulty import FaultyNetwork
from tests.live.host.hosts import LiveHost, lasting_host
from tests.unit.files.trees import picture

KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    """A host that listens for others, too."""
    with lasting_host(port=0, key=KEY) as live:
        yield live


@asynccontextmanager
async def sandbox(address: HostAddress) -> AsyncIterator[SandboxClient]:
    """A client of a sandbox at the address, which the contract alone is spoken to."""
    transport = Transport(address)
    lifecycle = Lifecycle(transport)
    try:
        request = CreateRequest(name="box", timeout_secs=0, isolation="none")  # both sides are looked at from here
        identifier = await lifecycle.create(request)
        yield SandboxClient(transport, identifier)
        await lifecycle.terminate(identifier)
    finally:
        transport.close()


def grow(root: Path, rng: random.Random, files: int) -> None:
    """A tree with some of everything."""
    for number in range(files):
        file = root / f"d{rng.randrange(5)}" / f"d{rng.randrange(3)}" / f"f{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rng.randbytes(rng.randrange(3000)))
        file.chmod(rng.choice([0o644, 0o755, 0o600]))
    (root / "empty").mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to("d0")
    odd = os.path.join(os.fsencode(root), b"no text \xff\nnew line")
    with open(odd, "wb") as strange:
        strange.write(rng.randbytes(10))


def edit(root: Path, rng: random.Random) -> None:
    """Some files changed, some gone, one a folder now."""
    files = sorted(path for path in root.rglob("f*") if path.is_file())
    for file in rng.sample(files, len(files) // 3):
        if rng.random() < 0.5:
            file.unlink()
        else:
            file.write_bytes(rng.randbytes(500))
    left = next(one_file for one_file in files if one_file.exists())
    left.unlink()
    left.mkdir()
    (left / "inside").write_text("x")


async def keep_up(client: SandboxClient, here: Path, there: Path) -> None:
    """Copy, edit, copy again; both sides are the same each time."""
    rng = random.Random(1)
    grow(here, rng, 60)
    copy = Copy(SandboxRemote(client), str(there), [CopySource(str(here))], Memory(), "test")
    await copy.sync()
    assert picture(there) == picture(here)
    for _ in range(2):
        edit(here, rng)
        await copy.sync()
        assert picture(there) == picture(here)


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setattr(carry, "PART", 15_000)
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    return here, there


def test_over_the_unix_socket(host: LiveHost, sides: tuple[Path, Path]) -> None:
    async def main() -> None:
        async with sandbox(HostAddress(path=str(host.path))) as client:
            await keep_up(client, *sides)

    asyncio.run(main())


def tcp_of(host: LiveHost) -> HostAddress:
    """Where the host listens for others."""
    return HostAddress(port=int(host.status["tcp"].rpartition(":")[2]), key=KEY)


def test_over_tcp(host: LiveHost, sides: tuple[Path, Path]) -> None:
    async def main() -> None:
        async with sandbox(tcp_of(host)) as client:
            await keep_up(client, *sides)

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(4))
def test_over_a_faulty_network(host: LiveHost, sides: tuple[Path, Path], seed: int) -> None:
    """A copy that is cut, wherever, goes on or starts again, and ends exact."""

    async def main(address: HostAddress) -> None:
        async with sandbox(address) as honest, FaultyNetwork(address, seed=seed, cuts=12, every=60_000) as network:
            transport = Transport(network.address)
            try:
                await keep_up(SandboxClient(transport, honest.identifier), *sides)
            finally:
                transport.close()
            assert network.cuts_left < 12, "the network was faulty indeed"

    asyncio.run(main(tcp_of(host)))
