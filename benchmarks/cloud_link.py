"""Commands through a link as to the cloud: each answer comes 50 ms after its request, by a proxy on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from benchmarks.event_stream import KEY, serving
from benchmarks.figures import OURS, Figure
from benchmarks.lab import Bench, Lab
from benchmarks.measure import running, samples_of, timed, until_printed
from tests.support.link import Link

TITLE = "cloud-like link"
ONE_WAY = 0.025
"""Seconds that every byte takes, in each direction."""


@contextmanager
def _through_link(bench: Bench) -> Iterator[Mapping[str, str]]:
    """Start a host; the variables of a client that reaches it through the link alone."""
    with serving(bench) as port, Link(port, ONE_WAY) as link:
        elsewhere = bench.home.root / "elsewhere"
        yield {
            **bench.env,
            "SBXCOMPOSE_STATE_DIR": str(elsewhere / "s"),
            "SBXCOMPOSE_RUNTIME_DIR": str(elsewhere / "r"),
            "TENSORLAKE_API_URL": f"http://127.0.0.1:{link.port}",
            "TENSORLAKE_API_KEY": KEY,
        }


def _of(what: str, measure: Callable[[], float], runs: int) -> Figure:
    return Figure.of(f"50 ms round trips: {what}", OURS, samples_of({OURS: measure}, runs)[OURS], "ms")


def run(lab: Lab) -> Iterator[Figure]:
    for count in (10, 50):
        with lab.bench() as bench, _through_link(bench) as environ:
            command = {"command": "echo hello; exec sleep 1000", "restart": "never"}
            sandbox = {"workspace": str(bench.directory), "processes": {f"p{n}": command for n in range(count)}}
            spec = {"provider": "tensorlake", "sandboxes": {"main": sandbox}}
            bench.write("sbxcompose.yaml", json.dumps(spec))

            def spent(*words: str, environ: Mapping[str, str] = environ, bench: Bench = bench) -> float:
                return 1000 * timed([lab.ours, *words], bench.directory, environ)

            def shown(count: int = count, environ: Mapping[str, str] = environ, bench: Bench = bench) -> float:
                begun = time.perf_counter()
                with running([lab.ours, "logs", "-f"], bench.directory, environ) as process:
                    return 1000 * (until_printed(process, rb"hello$", count) - begun)

            spent("ls")  # leaves a fork server
            time.sleep(1.0)
            yield _of(f"first `up -d` of {count}", partial(spent, "up", "-d"), 1)
            yield _of(f"`up -d` of {count}, nothing to do", partial(spent, "up", "-d"), lab.runs(6))
            yield _of(f"`ps`, {count} running", partial(spent, "ps"), lab.runs(6))
            yield _of(f"`logs -f` until {count} lines are shown", shown, lab.runs(6))
            yield _of(f"`exec … true`, {count} running", partial(spent, "exec", "p0", "true"), lab.runs(6))
            yield _of(f"`down` of {count}", partial(spent, "down"), 1)
            yield _of(f"`up -d` of {count} in the sandbox", partial(spent, "up", "-d"), 1)
