"""`python -m benchmarks`: measure, and print the figures beside those of the peers."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, as_json, rows
from benchmarks.lab import ROOT, Lab
from benchmarks.machine import description

NAMES = (
    "startup",
    "commands",
    "bring_up",
    "throughput",
    "latency",
    "following",
    "event_stream",
    "cloud_link",
    "idle",
    "spawn",
    "isolation",
    "crash",
    "stopping",
    "left_behind",
    "chain",
    "planning",
    "copying",
    "watching",
    "many_sandboxes",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="only this one (repeat for more)")
    parser.add_argument("--quick", action="store_true", help="fewer runs, less data")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / ".cache" / "benchmarks", help="where environments are kept"
    )
    return parser.parse_args()


def _measure(name: str, lab: Lab) -> list[Figure]:
    """All figures of one benchmark; one that breaks off says why, and the others go on."""
    module = importlib.import_module(f"benchmarks.{name}")
    print(f"measuring {module.TITLE} ...", file=sys.stderr)
    figures: list[Figure] = []
    begun = time.monotonic()
    try:
        for figure in module.run(lab):
            figures.append(figure)  # one by one: what was measured before it broke off stays
            print("\n".join(rows([figure])), file=sys.stderr, flush=True)
    except Exception as error:
        figures.append(Figure(f"{module.TITLE} broke off", "", None, "", f"{type(error).__name__}: {error}"))
    print(f"{module.TITLE}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return figures


def _table(results: dict[str, list[Figure]], machine: str, lab: Lab) -> str:
    """All figures, under the machine and the versions: medians, ± half of what the middle half of the values spans."""
    versions = ", ".join(f"{name} {version}" for name, version in lab.versions().items())
    parts = [line for figures in results.values() for line in ("", *rows(figures))]
    return "\n".join([machine, versions, *parts])


def main() -> int:
    """Run what was asked for; 1 if a benchmark broke off."""
    # A shell has its background jobs ignore SIGINT, and so would all that is started here: what is ended by it would be
    # killed after 15 s instead.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = _arguments()
    lab = Lab(arguments.cache.resolve(), arguments.quick)
    lab.cache.mkdir(parents=True, exist_ok=True)
    print("installing ...", file=sys.stderr)
    lab.prepare()
    machine = description()  # its load is that of before
    results = {}
    for name in arguments.only or NAMES:
        results[name] = _measure(name, lab)
    print(as_json(results, machine, lab.versions()) if arguments.json else _table(results, machine, lab), flush=True)
    for peer, reason in lab.missing.items():
        print(f"{peer}: {reason}", file=sys.stderr)
    return int(any("broke off" in figure.what for figures in results.values() for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
