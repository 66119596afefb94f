"""What some tests need of the machine and of who runs them; without it they are skipped, and say why."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sbxcompose.host.keeper import namespaces
from sbxcompose.host.keeper.cgroups import places
from sbxcompose.host.keeper.oom import INITIAL_PID_NAMESPACE, KERNEL_LOG
from sbxcompose.linux import syscalls


def _hindrance() -> str:
    """Why no network namespace can be made; empty when one can."""
    try:
        os.close(namespaces.make())
    except OSError as error:
        return f"no network namespaces: {error.strerror}"
    return ""


needs_namespaces = pytest.mark.skipif(bool(_hindrance()), reason=_hindrance() or "there are network namespaces")


def _small_group() -> str | None:
    """The directory of a memory group in which there is too little memory, made for this moment; None if it cannot
    be, or if the kernel's log cannot be read.
    """
    for base in places("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            path = f"{base}/sbxcompose-test-{os.getpid()}"
            try:
                os.close(os.open(KERNEL_LOG, os.O_RDONLY))
                os.mkdir(path)
                Path(path, name).write_text(str(32 << 20))
            except OSError:
                with suppress(OSError):
                    os.rmdir(path)
            else:
                return path
    return None


@contextmanager
def little_memory() -> Iterator[str]:
    """The `cgroup.procs` of a group of little memory: who writes his process id there has little. Skips the test
    where that cannot be had.
    """
    path = _small_group()
    if path is None or os.readlink("/proc/self/ns/pid") != INITIAL_PID_NAMESPACE:
        pytest.skip("no group of little memory, or no kernel log to read")
    try:
        yield f"{path}/cgroup.procs"
    finally:
        for _ in range(100):  # the dead leave a group a little later than they leave us
            try:
                os.rmdir(path)
            except OSError:
                os.sched_yield()
            else:
                break


CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
"""Capabilities with which root reads and writes every file, whatever its mode is."""


def _own_capabilities() -> frozenset[int]:
    (line,) = (line for line in Path("/proc/thread-self/status").read_text().splitlines() if line.startswith("CapEff:"))
    mask = int(line.split()[1], 16)
    return frozenset(number for number in range(mask.bit_length()) if mask >> number & 1)


def bound_by_modes(work: Callable[[], object]) -> None:
    """Do some work, and run commands, as somebody who may not read a file whose mode forbids it, also as root.

    In a thread of its own, since a thread never gets back the capabilities that it has given up.
    """
    if os.geteuid():
        work()
        return

    def without_capabilities() -> None:
        kept = _own_capabilities() - {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH}
        syscalls.limit_capabilities(kept)
        syscalls.set_capabilities(kept)
        work()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(without_capabilities).result()
