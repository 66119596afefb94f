"""On the PYTHONPATH of a command: once a file is there, an hour has passed by its wall clock and not by its steady one.

So it is when a machine has slept.
"""

import os
import time

HOUR = 3600.0
_slept = os.environ["TEST_SLEPT"]
_time, _time_ns = time.time, time.time_ns


def _asleep() -> float:
    return HOUR if os.path.exists(_slept) else 0.0


time.time = lambda: _time() + _asleep()
time.time_ns = lambda: _time_ns() + int(_asleep() * 1e9)
