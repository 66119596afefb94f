"""Images and file systems as the vendor's Python SDK has them, on a host that records image builds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from tests.live.sdk.clients import PATIENCE, serving
from tests.support import programs

PROGRAM = """
import json
from tensorlake.filesystem import FilesystemClient
from tensorlake.image import Image, delete_sandbox_image, find_sandbox_image_by_name, import_sandbox_image
from tensorlake.image import list_sandbox_images
from tensorlake.sandbox import Sandbox

def refused(call):
    try:
        call()
    except Exception as error:
        return str(error)

told = {"none": list_sandbox_images()}
told["built"] = Image(name="mine", base_image="ubuntu").run("true").build()["name"]
told["imported"] = import_sandbox_image("python:3.12")["name"]
told["listed"] = sorted(image["name"] for image in list_sandbox_images())
delete_sandbox_image("mine")
told["found"] = find_sandbox_image_by_name("mine")
told["older"] = refused(lambda: import_sandbox_image("python:3.12", cas=False))
client = FilesystemClient()
client.create("data")
told["file systems"] = [found.name for found in client.list()]
told["files"] = refused(lambda: client.get("data").write_file("file", b"x"))
client.delete("data")
told["left"] = len(client.list())
told["running"] = Sandbox.create(image="python").run("echo", ["hello"]).stdout
print(json.dumps(told))
"""


def test_images_and_file_systems(need: Callable[[str], None]) -> None:
    need("python")
    with serving("--accept", "images") as host:
        done = subprocess.run(
            [str(programs.python_sdk()), "-c", PROGRAM],
            env=host.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "build an image without `cas=False`" in told.pop("older")
    assert "in a sandbox that has it mounted" in told.pop("files")
    assert told == {
        "none": [],
        "built": "mine",
        "imported": "python",
        "listed": ["mine", "python"],
        "found": None,
        "file systems": ["data"],
        "left": 0,
        "running": "hello",
    }
