"""The programs of others that the tests run: the vendor's clients, three programs made for its service, and a fuzzer.

`python -m tests.support.programs` installs all of them, so that the tests find them there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tests.support.installation import (
    DAY,
    Unavailable,
    environment,
    node_packages,
    python_packages,
    python_sources,
    python_tag,
)

SDK_IMPORT = ("-c", "import tensorlake.sandbox")
CONSTRAINTS = Path(__file__).parent / "agents_constraints.txt"
"""The versions of all that they bring with them: a new one must not change the outcome of the suite."""
AGENTS_IMPORT = ("-c", "import langchain_deepagents_tensorlake, langchain_tests.integration_tests, tensorlake.sandbox")
AGENTS = (
    "langchain-deepagents-tensorlake==0.1.1",
    "deepagents==0.7.0",
    "langchain-tests==1.1.9",
    "tensorlake==0.5.163",
)
AGENTSH_IMPORT = ("-c", "import agentsh_secure_sandbox.adapters, dotenv, pytest_asyncio, tensorlake.sandbox")
AGENTSH = (
    "agentsh-secure-sandbox==0.6.6",
    "tensorlake==0.5.163",
    "pytest-timeout==2.4.0",
    "python-dotenv==1.2.4",
    "pytest-asyncio==1.5.0",
)
FUZZER = "4.32.5"
"""Pinned: the same seed must mean the same requests tomorrow."""


@cache
def python_sdk() -> Path:
    """A Python interpreter that has the newest SDK. Raises `Unavailable`, as all of these."""
    install = python_packages("tensorlake", check=SDK_IMPORT)
    return environment(f"{python_tag()}-newest", install, DAY) / "bin" / "python"


@cache
def command_line() -> Path:
    """The `tl` command of the last version that carries it on PyPI."""
    install = python_packages("tensorlake==0.5.59", check=SDK_IMPORT)
    return environment(f"{python_tag()}-0.5.59", install) / "bin" / "tl"


@cache
def node() -> Path:
    """A Node 22, which the TypeScript SDKs need."""
    command = "node_modules/node/bin/node"
    return environment("node22", node_packages("node@22", check=(command, "--version"))) / command


@cache
def typescript_sdk() -> tuple[Path, Path]:
    """A Node 22, and the module of the newest SDK for it."""
    modules = environment("typescript-newest", node_packages("tensorlake"), DAY) / "node_modules"
    return node(), modules / "tensorlake" / "dist" / "index.js"


@cache
def deep_agents() -> Path:
    """A Python interpreter with the standard suite of Deep Agents' sandboxes, and the backend on Tensorlake."""
    install = python_packages("--constraint", str(CONSTRAINTS), *AGENTS, check=AGENTS_IMPORT)
    return environment(f"{python_tag()}-deepagents-constrained", install) / "bin" / "python"


@cache
def compute_sdk() -> tuple[Path, Path]:
    """A Node 22, and the module of ComputeSDK's provider with the SDK that it is pinned to."""
    modules = environment("typescript-computesdk", node_packages("@computesdk/tensorlake@0.1.9")) / "node_modules"
    return node(), modules / "@computesdk" / "tensorlake" / "dist" / "index.mjs"


@cache
def agentsh() -> tuple[Path, Path]:
    """A Python interpreter with agentsh's adapters for sandboxes, and the directory of their source and tests."""
    install = python_sources(*AGENTSH, "--constraint", str(CONSTRAINTS), check=AGENTSH_IMPORT)
    directory = environment(f"{python_tag()}-agentsh", install)
    return directory / "bin" / "python", directory / "source"


@cache
def schemathesis() -> Path:
    """The fuzzer's command."""
    install = python_packages(f"schemathesis=={FUZZER}", check=("-c", "import schemathesis.cli"))
    return environment(f"{python_tag()}-schemathesis-{FUZZER}", install) / "bin" / "schemathesis"


PROGRAMS: dict[str, Callable[[], object]] = {
    "python": python_sdk,
    "typescript": typescript_sdk,
    "tl": command_line,
    "deepagents": deep_agents,
    "computesdk": compute_sdk,
    "agentsh": agentsh,
    "fuzzer": schemathesis,
}


def made(names: Collection[str]) -> dict[str, str]:
    """Make environments, two at a time; for each whether it is there, or why it cannot be had."""
    with ThreadPoolExecutor(2) as threads:
        return dict(zip(names, threads.map(_made, names), strict=True))


def missing(name: str) -> str | None:
    """Make an environment; why it cannot be had, if it cannot."""
    try:
        PROGRAMS[name]()
    except Unavailable as reason:
        return str(reason)
    return None


def _made(name: str) -> str:
    reason = missing(name)
    return "installed" if reason is None else f"cannot be had: {reason}"


if __name__ == "__main__":
    for _name, _state in made(PROGRAMS).items():
        print(f"{_name}: {_state}")
