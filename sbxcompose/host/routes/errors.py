"""Everything that can go wrong with a request -> one JSON answer: {"error", "code"?, "hint"?} (contract,
section 7.1).
"""

from __future__ import annotations

import json
import sys
import traceback

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.http.validation import Invalid
from sbxcompose.host.keeper.client import KeeperLost


def as_problem(error: Exception, what: str) -> Problem:
    """Return what a client is told of `error`; `what` names the request. Mistakes of our own are shown in the host's
    log.
    """
    match error:
        case Problem():
            return error
        case Invalid(status=400):
            return Problem(400, str(error), "BAD_JSON")
        case Invalid():
            return Problem(error.status, str(error), "INVALID")
        case ClientDisconnect():
            return Problem(400, "the request ended early", "BAD_REQUEST")  # the client is gone
        case HTTPException(status_code=404):
            return Problem(404, f"no route at {what}", "NOT_FOUND")
        case HTTPException(status_code=405):
            return Problem(405, f"{what}: this method is not allowed here", "METHOD_NOT_ALLOWED")
        case HTTPException():
            return Problem(error.status_code, error.detail)
        case KeeperLost():
            return Problem(500, str(error), "KEEPER_LOST", "`sbxcompose host stop --force`, and start again")
        case OSError():
            return from_os(error, what)
    traceback.print_exception(error, file=sys.stderr)
    return Problem(500, f"{what}: {type(error).__name__}: {error}", "INTERNAL_ERROR", "see the host's log")


def answer(problem: Problem, error: Exception | None = None) -> Response:
    """Return the answer to send."""
    headers = error.headers if isinstance(error, HTTPException) else None
    body = json.dumps(problem.body())  # in ASCII: what strangers send may have halves of surrogate pairs
    return Response(body, problem.status, headers=headers, media_type="application/json")
