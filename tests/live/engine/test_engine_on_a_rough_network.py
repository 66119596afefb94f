"""Commands over a network that misbehaves, many projects beside each other against one host.

Each step of a round (`up`, `logs -f`, `restart`, `exec`, `cp`, watching, `down`) has a schedule of faults of its own,
drawn from its seed. A commit tries a quarter of 48 rounds (tests/support/parts.py): four through h11 with all
extensions, two with the contract alone, and as many through httpx with TLS.
`NETWORK_SCHEDULES=3000` tries as many, `NETWORK_FIRST=900` begins with that seed, and `NETWORK_SEED=17` tries the round
of that one alone. Every failure names its seed and what went wrong on the way. Every other command that has the
contract alone follows with a single stream, at which its processes take turns.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest

from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.api.wire import HttpRequest
from sbxcompose.engine.contract import follow_places, turns
from sbxcompose.engine.contract.turns import FollowTurn, FollowTurns, Shared
from sbxcompose.files import leftovers
from tests.live.engine.rough_scenarios import STEPS, Round
from tests.live.host.hosts import LiveHost, lasting_host
from tests.support.certificate import make_certificate
from tests.support.home import MARKER
from tests.support.parts import name_of, parts
from tests.support.plain_cloud import KEY, PlainCloud
from tests.support.rough_network import FAULTS, RoughNetwork, Schedule

SCHEDULES = int(os.environ.get("NETWORK_SCHEDULES", "0"))
FIRST = int(os.environ.get("NETWORK_FIRST", "0"))
SEED = os.environ.get("NETWORK_SEED")
BATCHES = 2
"""Tests that share the schedules where their number is given."""
ROUNDS = 12
"""Rounds of each of four parts."""
AT_ONCE = 12
"""Rounds that are under way beside each other."""
TIMEOUT = "6"
"""Seconds after which a connection counts as broken; longer than a host's keep-alives of a follow take."""


def batches() -> dict[str, range]:
    """The rounds of each test, by number."""
    if SEED is not None:
        return {f"seed {SEED}": range(int(SEED) // STEPS, int(SEED) // STEPS + 1)}
    if SCHEDULES:
        first = FIRST // STEPS
        end = first - (-SCHEDULES // STEPS)
        return {f"batch {batch}": range(first + batch, end, BATCHES) for batch in range(BATCHES)}
    return {f"part {name_of(part)}": range(part * ROUNDS, (part + 1) * ROUNDS) for part in parts()}


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    """A host that listens for others, too."""
    # Without isolation: the rounds read and write what its sandboxes see.
    with lasting_host({"SBXCOMPOSE_ISOLATION": "none"}, port=0, key=KEY) as live:
        yield live


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssl.SSLContext]:
    """What the network needs to speak TLS, with a certificate that is trusted here."""
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        yield context


@pytest.fixture
def rotations(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Have every other command follow with one stream; how often that has gone from one process to another."""
    streams, count = cycle((1, 128)), 0
    revoke = FollowTurn.revoke

    def counted(turn: FollowTurn) -> None:
        nonlocal count
        count += 1
        revoke(turn)

    def made(told: Shared | None = None) -> FollowTurns:
        return FollowTurns(told, next(streams)) if told is not None else FollowTurns()

    for name, seconds in (("SILENT", 0.2), ("TURN", 0.3), ("MIN_POLL_INTERVAL", 0.1), ("MAX_POLL_INTERVAL", 0.5)):
        monkeypatch.setattr(follow_places, name, seconds)
    monkeypatch.setattr(FollowTurn, "revoke", counted)
    monkeypatch.setattr(turns, "FollowTurns", made)
    return lambda: count


class Runner:
    """Runs rounds against one host, which `plain` shows as a cloud that has only the contract."""

    def __init__(self, host: LiveHost, plain: PlainCloud, tls: ssl.SSLContext, directory: Path) -> None:
        self._host = host
        self._tls = tls
        self._ports = (int(host.status["tcp"].rpartition(":")[2]), int(plain.address.rpartition(":")[2]))
        self._directory = directory
        self._places = asyncio.Semaphore(AT_ONCE)
        self.failures: list[str] = []
        self.faults: Counter[str] = Counter()

    async def run(self, number: int) -> None:
        """One round; a failure is noted."""
        plain, tls = number % 3 == 0, (self._tls, None)[number // 3 % 2]  # httpx with TLS, else h11
        seed, step = number * STEPS, "open"
        async with self._places, RoughNetwork(self._ports[plain], Schedule(seed), tls=tls).serving() as network:
            environ = {
                **self._host.home.environment(),
                "TENSORLAKE_API_URL": network.address,
                "TENSORLAKE_API_KEY": KEY,
                "SBXCOMPOSE_NETWORK_TIMEOUT": TIMEOUT,
            }
            mine = Round(self._directory / f"r{number}", f"{MARKER}: {self._host.home.marker}", environ)
            try:
                for seed, act in enumerate(mine.steps, number * STEPS):
                    step, network.schedule = act.__name__, Schedule(seed)
                    async with asyncio.timeout(120):
                        await act()
                    self.faults.update(said.partition(":")[0] for said in network.schedule.done)
                await self._check(mine.name)
            except (Exception, ExceptionGroup) as error:
                way = f"{step}, {'contract' if plain else 'extensions'}, {'h11' if tls is None else 'httpx'}"
                faults = "\n  ".join(network.schedule.done)
                words = "".join(traceback.format_exception(error))
                self.failures.append(f"NETWORK_SEED={seed} ({way}):\n  {faults}\n{words}")
            finally:
                await mine.close()
        async with Transport(HostAddress(path=str(self._host.path))) as host:
            await host.request(HttpRequest("DELETE", f"/sandboxes/{mine.name}-main"))

    async def _check(self, name: str) -> None:
        """Nothing runs after a `down`, as the host itself says."""
        async with Transport(HostAddress(path=str(self._host.path))) as host:
            info = (await host.request(HttpRequest("GET", f"/sandboxes/{name}-main"))).json()
        assert (info["status"], info["live_processes"]) == ("suspended", 0), info


@pytest.mark.time_limit(7200 if SCHEDULES else 600)
@pytest.mark.parametrize("rounds", batches().values(), ids=batches())
def test_nothing_is_lost_or_doubled(
    host: LiveHost, tls: ssl.SSLContext, rotations: Callable[[], int], rounds: range, tmp_path: Path
) -> None:
    async def main(runner: Runner) -> None:
        await asyncio.gather(*map(runner.run, rounds))

    env = {MARKER: host.home.marker, "PATH": os.environ["PATH"]}
    with PlainCloud(host.path, env=env).serving() as plain:
        runner = Runner(host, plain, tls, tmp_path)
        asyncio.run(main(runner))
    if SEED is None:
        assert not set(FAULTS) - set(runner.faults), "each kind of fault has happened"
        assert rotations() > 3
    left = sorted(Path("/tmp").glob(f"{leftovers.PREFIX}.{leftovers.machine()}.{os.getpid()}.*"))
    assert left == [], "archives of `cp`"
    assert not runner.failures, "\n\n".join([*runner.failures, f"{len(runner.failures)} schedules failed"])
