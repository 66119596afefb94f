"""Take jobs from the API, one after the other, and do them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from typing import Any

API = os.environ["API"]
NAME = f"worker {os.environ.get('SBXCOMPOSE_REPLICA', '1')}"


def call(method: str, path: str, content: object = None) -> Any:
    """One request to the API; returns its answer, None if that is empty."""
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(API + path, data, method=method), timeout=10) as answer:
        return json.loads(answer.read() or "null")


def factors(number: int) -> list[int]:
    """The prime factors of `number`, smallest first."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        if number % divisor:
            divisor += 1
        else:
            found.append(divisor)
            number //= divisor
    return [*found, number] if number > 1 else found


def work() -> None:
    """Do one job, if there is one."""
    job = call("GET", "/jobs/next")
    if job is not None:
        result = " x ".join(map(str, factors(job["number"])))
        print(f"job {job['id']}: {job['number']} = {result}")
        call("PUT", f"/jobs/{job['id']}", {"result": result})


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"{NAME} is waiting for work")
    while True:
        try:
            work()
        except OSError as error:
            print(f"the API is away ({error}), trying again", file=sys.stderr)
            time.sleep(0.5)


if __name__ == "__main__":
    main()
