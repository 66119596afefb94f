"""Turn the wire's errors into those of `errors`, in one place: broken connections, and refusals (contract, section 7).

Whatever the client (h11 on the local socket, httpx to a cloud, a WebSocket), here its failures get words and hints;
those that only a cloud has in `cloud_errors`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Any

import h11

from sbxcompose.api.wire import Answer
from sbxcompose.errors import Conflict, NotFound, ProcessFailed, ProviderError, Refused, Unreachable

CUT_OFF = (BrokenPipeError, ConnectionResetError, EOFError, h11.RemoteProtocolError)
"""What a connection raises that was there, and that the other side has ended."""
BROKEN = (OSError, EOFError, h11.RemoteProtocolError)
"""What a broken connection raises where h11 is the protocol; httpx has a tree of its own."""


# -- answers -----------------------------------------------------------------------------------------------


def expect(answer: Answer, what: str) -> Any:
    """Return the decoded body of a good answer (2xx). Raises `NotFound`, `Conflict` or `Refused` naming `what`."""
    if 200 <= answer.status < 300:
        try:
            return answer.json()
        except ValueError as error:
            raise Refused(f"{what}: the provider's answer is not JSON", status=answer.status) from error
    raise refusal(answer.status, answer.body, what)


def refusal(status: int, body: bytes, what: str) -> Refused:
    """Return the error for an answer that is not good: the provider's own words, where it gave any."""
    words, code, hint = read_refusal(body)
    message = f"{what}: {words or f'HTTP {status}'}"
    match status:
        case 404:
            return NotFound(message, status=status, code=code, hint=hint)
        case 409:
            return Conflict(message, status=status, code=code, hint=hint, live=_live(body))
        case 401 | 403:
            return Refused(message, status=status, code=code, hint=hint or "check the key")
        case _:
            return Refused(message, status=status, code=code, hint=hint)


def check_media(found: str | None, media: str, what: str) -> None:
    """Refuse an answer of another media type (contract, section 3.7): that of a proxy's own page, for example."""
    kind = (found or "").partition(";")[0].strip().lower()
    if kind != media:
        raise Refused(f"{what}: the answer is {kind or 'of no media type'}, not {media}", status=200)


def not_an_object(what: str, hint: str | None) -> Refused:
    """Return the error for a good answer that is not the JSON object that was expected."""
    return Refused(f"{what}: the answer is not a JSON object", status=200, hint=hint)


def missing_field(what: str, field: str, status: int) -> Refused:
    """Return the error for a good answer without a field that cannot be done without."""
    return Refused(f"{what}: the provider's answer names no `{field}`", status=status)


def snapshot_failed(number: str, sandbox: str, why: str) -> Refused:
    """Return the error for a snapshot that was begun and failed."""
    return Refused(f"snapshot {number} of {sandbox}: {why}", status=200)


def sandbox_gone(sandbox: str) -> NotFound:
    """Return the error for a sandbox that does not exist, or no longer."""
    return NotFound(f"sandbox {sandbox} is gone", status=404)


def failed_watch(sandbox: str, error: Exception) -> Exception:
    """Return the error for a sandbox that can no longer be watched; one that was terminated meanwhile is named."""
    if not isinstance(error, Refused) or not (error.code == "SANDBOX_TERMINATED" or error.status in (404, 410)):
        return error
    hint = "`sbxcompose up` creates a new one"
    return NotFound(f"sandbox {sandbox} has been terminated", status=error.status, code=error.code, hint=hint)


def unexpected_state(sandbox: str, status: str, wanted: str, why: str | None) -> Refused:
    """Return the error for a sandbox that is in another state than the one it should have come to."""
    words = f"sandbox {sandbox} is {status}, not {wanted}" + (f": {why}" if why else "")
    return (NotFound if status == "terminated" else Refused)(words, status=0)


def not_changed(sandbox: str, what: str, why: str, hint: str, refused: Refused | None = None) -> Refused:
    """Return the error for a sandbox that could not be changed: `what` says what of it, `refused` is the answer."""
    words = f"sandbox {sandbox}: {what} could not be changed: {why}"
    if refused is None:
        return Refused(words, status=0, hint=hint)
    return Refused(words, status=refused.status, code=refused.code, hint=refused.hint or hint)


def still_changing(sandbox: str) -> Refused:
    """Return the error for a sandbox whose resources take too long to be changed."""
    return Refused(f"sandbox {sandbox}: its resources are still being changed", status=0)


def no_workspace(path: str, why: str) -> Refused:
    """Return the error for a workspace that cannot be made in a sandbox."""
    return Refused(f"the workspace {path}: {why}", status=0, hint="name another `workspace` in the file")


def claimed_elsewhere(sandbox: str, directory: str) -> Conflict:
    """Return the error for a sandbox that the project of another directory works with, as the host has it."""
    return Conflict(
        f"sandbox {sandbox} belongs to the project in {directory}, and something of it is running",
        status=409,
        code="PROJECT_DIRECTORY",
        hint=(
            "give this project another name with `-p NAME` or `name:` in its file, or end the other one with"
            f" `sbxcompose --project-directory {shlex.quote(directory)} down`"
        ),
    )


def not_running(sandbox: str) -> Refused:
    """Return the error for a sandbox that is not there to be connected to, or sleeps and is not to be woken."""
    return Refused(f"sandbox {sandbox} is not running", status=0)


def tunnel_lost(sandbox: str) -> Unreachable:
    """Return the error for a tunnel that was closed while it was waiting for a connection."""
    return Unreachable(f"the connection to sandbox {sandbox} is lost")


def nothing_listens(port: int) -> Refused:
    """Return the error for a port of this machine that takes no connections."""
    return Refused(f"nothing listens on port {port} of the sandbox", status=0)


def log_unreadable(path: str, error: OSError) -> Refused:
    """Return the error for a log file of the host on this machine that cannot be read."""
    return Refused(f"the log {path} cannot be read: {error.strerror}", status=0)


def _live(body: bytes) -> bool | None:
    """Return whether what is in the way is live; only our own host says so."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    live = value.get("live") if isinstance(value, dict) else None
    return live if isinstance(live, bool) else None


def read_refusal(body: bytes) -> tuple[str, str | None, str | None]:
    """Read a refusal: a sentence (empty if there is none), a code, a hint (contract, sections 7.1 and 2.5)."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text[:500], None, None
    if not isinstance(value, dict):
        return text[:500], None, None
    words = value.get("error") or value.get("message") or _reason(value) or text[:500]
    return str(words), value.get("code"), value.get("hint")


def _reason(value: dict[str, Any]) -> str:
    """Why a sandbox could not be made, from the short form that says so."""
    details = value.get("error_details")
    if isinstance(details, dict):  # any JSON (contract, section 2.3)
        details = details.get("message") or details.get("error") or json.dumps(details)
    parts = (value.get("reason"), value.get("termination_reason"), details)
    return ": ".join(str(part) for part in parts if part)


def is_pending(body: bytes) -> bool:
    """Return whether a refusal carries the short form of a sandbox that is still being made (contract, section 2.5)."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "sandbox_id" in value and value.get("status") in ("pending", "timeout")


# -- connections -------------------------------------------------------------------------------------------


def unreachable(place: object, error: BaseException, hint: str | None) -> Unreachable:
    """Return the error for a connection to `place` that could not be made, or broke."""
    broke = isinstance(error, CUT_OFF)
    return Unreachable(f"{place} does not answer: {failure_words(error)}", hint=hint, broke=broke)


def closed_by_host(when: str = "") -> Unreachable:
    """Return the error for a connection that the host has closed without an error of its own."""
    return Unreachable("the host closed the connection" + (f" {when}" if when else ""))


def watch_ended(sandbox: str) -> Unreachable:
    """Return the error for a watch that has come to its end, which it never should."""
    return Unreachable(f"sandbox {sandbox}: the host has ended the watch")


def host_silent(hint: str | None) -> Unreachable:
    """Return the error for a host of this machine that runs and does not answer."""
    return Unreachable("the host is running, but does not answer", hint=hint)


def socket_unusable(path: object, error: OSError) -> Unreachable:
    """Return the error for a host's socket that cannot be connected to."""
    return Unreachable(f"cannot connect to {path}: {error.strerror}")


def host_absent(hint: str) -> Unreachable:
    """Return the error for a host that is needed and not running."""
    return Unreachable("host is not running", hint=hint)


def input_cut_off(hint: str) -> Unreachable:
    """Return the error for standard input of which a part may be lost."""
    return Unreachable("standard input was cut off: the host was killed while a part of it was passed on", hint=hint)


def terminal_end(code: int, reason: str) -> int | None:
    """Return what the close of a terminal's socket means (contract, section 5): an exit code, or None for a broken
    connection, which can be made again.

    Raises `ProcessFailed` when another client has ended the session, with its reason if it has given one, and
    `ProviderError` for all else.
    """
    found = re.fullmatch(r"exit:(-?\d{1,10})", reason)
    if found:
        return int(found[1])
    from sbxcompose.api.pty import STOPPED  # late: few commands have a terminal

    if code == 1001 and reason.startswith(STOPPED):
        raise ProcessFailed(f"the command was stopped: {reason.removeprefix(STOPPED)}")
    if code == 1001:
        raise ProcessFailed("the terminal session was ended by another client")
    if code in (1005, 1006, 1012):  # no code, no close, a service that restarts (RFC 6455, 7.4)
        return None
    raise ProviderError(f"the terminal session closed the connection: {reason or code}")


def broken_off(command: str) -> Unreachable:
    """Return the error for the output of a command that ends before the command has."""
    return Unreachable(f"{command}: the answer ended before the command had exited")


def stalled(command: str, seconds: float) -> Unreachable:
    """Return the error for a command of whose answer nothing has come for so long, although something should have."""
    words = f"{command}: the sandbox has not sent the command's output or end for {seconds:g} s"
    return Unreachable(words, hint="the connection has stalled; run the command again")


def no_answer_in_time(place: object, seconds: float, hint: str | None) -> Unreachable:
    """Return the error for a server that has not answered in time."""
    return Unreachable(f"{place} does not answer within {seconds:g} s", hint=hint)


def failure_words(error: BaseException) -> str:
    """Return what broke a connection; asyncio's own words name addresses a second time."""
    if isinstance(error, OSError) and error.errno:
        # Those of name resolution and of TLS have numbers of their own.
        own = type(error).__module__ != "builtins"
        return (error.strerror or str(error)) if own else os.strerror(error.errno).lower()
    if isinstance(error, h11.RemoteProtocolError) and str(error).startswith("peer closed connection"):
        return "the connection was closed in the middle of an answer"
    if isinstance(error, TimeoutError) and not str(error):
        return "it takes too long"
    return str(error) or type(error).__name__
