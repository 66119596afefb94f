"""LangChain's standard suite for the sandboxes of Deep Agents, on the backend for Tensorlake.

Run by a Python that has both, see `programs.deep_agents`; nothing of ours is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_deepagents_tensorlake import TensorlakeSandbox
from langchain_tests.integration_tests import SandboxIntegrationTests
from tensorlake.sandbox import Sandbox


class TestTensorlakeSandbox(SandboxIntegrationTests):
    """The suite, in one sandbox."""

    @pytest.fixture(scope="class")
    def sandbox(self) -> Iterator[Any]:
        """Make it, and throw it away."""
        box = Sandbox.create()
        yield TensorlakeSandbox(box)
        box.terminate()
