"""Runs in the SDK's own environment: carries out snippets that it reads from standard input, answers with JSON lines.

A snippet is the body of an asynchronous function. For the synchronous SDK the `await`s and `async`s are taken
out: the two have the same methods.
"""

# This file belongs to another interpreter: it uses nothing of ours.

import asyncio
import base64
import json
import re
import sys
import textwrap
from enum import Enum

import tensorlake.sandbox as vendor

KIND = sys.argv[1]
Sandbox = vendor.Sandbox if KIND == "sync" else vendor.AsyncSandbox


def plain(value):
    """A result of the SDK as JSON has it."""
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    if hasattr(value, "trace_id") and hasattr(value, "value"):
        return plain(value.value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)) or (hasattr(value, "__iter__") and not isinstance(value, str)):
        return [plain(item) for item in value]
    return value


def compiled(code):
    body = textwrap.dedent(code).strip()
    if KIND == "sync":
        body = re.sub(r"\b(await|async) ", "", body)
    head = "def snippet(sb, box, Sandbox):\n" if KIND == "sync" else "async def snippet(sb, box, Sandbox):\n"
    names = dict(vars(vendor))
    exec(compile(head + textwrap.indent(body, "    "), "<snippet>", "exec"), names)
    return names["snippet"]


def carry_out_now(code, box):
    sb = Sandbox.connect(box) if box else None
    return plain(compiled(code)(sb, box, Sandbox))


async def carry_out_soon(code, box):
    sb = await Sandbox.connect(box) if box else None
    return plain(await compiled(code)(sb, box, Sandbox))


def told(error):
    """What an exception of the SDK says."""
    shown = {"type": type(error).__name__, "message": str(error)}
    for name in ("status_code", "code", "reason", "sandbox_id"):
        try:
            shown[name] = plain(getattr(error, name, None))
        except Exception:
            shown[name] = None
    return shown


def main():
    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if KIND == "sync":
                result = carry_out_now(request["code"], request["box"])
            else:
                result = loop.run_until_complete(carry_out_soon(request["code"], request["box"]))
            answer = {"result": result}
        except Exception as error:
            answer = {"error": told(error)}
        print(json.dumps(answer), flush=True)


main()
