"""The requests of one `up` in the cloud are those that docs/cloud-requests.md shows and explains."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CloudSbx

PAGE = (Path(__file__).parents[2] / "docs" / "cloud-requests.md").read_text()
START = {"command", "args", "env", "working_dir", "user", "stdin_mode", "name", "restart", "health_check"}
"""What the contract's start request has (section 3.2); `run` has no more (3.8)."""


def file() -> str:
    return PAGE.partition("```yaml\n")[2].partition("```")[0]


def shown() -> list[str]:
    """The requests of the page, in order."""
    table = PAGE.partition("<!-- requests -->")[2].partition("<!-- end -->")[0]
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


def body(name: str, text: str, **values: str) -> Any:
    """The JSON below a mark of the page."""
    found = text.partition(f"<!-- {name} -->")[2].partition("```json")[2].partition("```")[0]
    for word, value in values.items():
        found = found.replace(f'"{word}"', f'"{value}"')
    return json.loads(found)


def told(requests: list[str], full_name: str) -> list[str]:
    """The requests in the words of the page, each look that is repeated only once."""
    found: list[str] = []
    for request in requests:
        words = request.replace("/v1/namespaces/default/sandboxes", "S").replace(f"S/{full_name}", "S/NAME")
        words = re.sub(r"\.[0-9a-f]{8}", ".#", re.sub(r"S/[a-z0-9]{21}$", "S/ID", words))
        if words.startswith("POST") or words not in found:
            found.append(words)
    return found


@pytest.mark.cold
def test_an_up_sends_what_the_page_shows(cloud: CloudSbx) -> None:
    cloud.write(file())
    cloud.run("up", "-d", "--wait")
    project = cloud.project.name
    sent = told(cloud.plain.requests, f"{project}-app")
    # The command that makes the workspace travels beside the probe, and looks come in any order.
    assert sorted(sent) == sorted(shown())
    assert [request for request in sent if request.startswith("POST /api/v1/processes")] != []
    assert sent[:3] == shown()[:3]
    create, *others = cloud.plain.bodies
    assert create == ("POST /v1/namespaces/default/sandboxes", body("create", PAGE, NAME=f"{project}-app"))
    assert all(set(sent) <= START for _, sent in others)
    (start,) = [sent for _, sent in others if sent.get("name", "").startswith("web.")]
    assert {**start, "name": "web.#"} == body("start", PAGE, PROJECT=project)
    assert {sent["name"].partition(".")[0] for _, sent in others if "name" in sent} == {"@probe", "@setup1", "web"}
