"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path


def description() -> str:
    """Return processors, memory, load, kernel, Python and day on one line."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    scheduling = {os.SCHED_RR: ", real-time class", os.SCHED_FIFO: ", real-time class"}
    return (
        f"{len(os.sched_getaffinity(0))} x {model[1] if model else platform.machine()}, {memory:.0f} GiB,"
        f" load {os.getloadavg()[0]:.1f}{scheduling.get(os.sched_getscheduler(0), '')},"
        f" Linux {platform.release()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d %H:%M')}"
    )
