"""A customer with a weak heart: asks for factors every now and then, and sometimes crashes."""

from __future__ import annotations

import json
import os
import random
import sys
import time
import urllib.request

API = os.environ["API"]
PAUSE = float(os.environ.get("PAUSE") or 1.5)
CRASH_CHANCE = float(os.environ.get("CRASH_CHANCE") or 0)
chance = random.Random(os.environ.get("SEED") or None)


def ask(number: int) -> int:
    """File a job; returns its id."""
    request = urllib.request.Request(f"{API}/jobs", json.dumps({"number": number}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["id"])


def main() -> None:
    print("good day")
    while True:
        number = chance.randrange(1_000, 1_000_000)
        print(f"what are the factors of {number}? (job {ask(number)})")
        if chance.random() < CRASH_CHANCE:
            raise RuntimeError("my heart!")
        time.sleep(PAUSE)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("good bye")
        sys.exit(0)
