"""The one seam where an HTTP answer becomes a value or one of our errors (contract, section 7.1)."""

from __future__ import annotations

import json
from typing import Any

from sbxcompose.api.wire import Answer
from sbxcompose.errors import Conflict, NotFound, Refused


def expect(answer: Answer, what: str) -> Any:
    """The decoded body of a good answer (2xx). Raises `NotFound`, `Conflict` or `Refused` naming `what`."""
    if 200 <= answer.status < 300:
        try:
            return answer.json()
        except ValueError as error:
            raise Refused(f"{what}: the provider's answer is not JSON", status=answer.status) from error
    raise refusal(answer.status, answer.body, what)


def refusal(status: int, body: bytes, what: str) -> Refused:
    """The error for an answer that is not good: the provider's own words, where it gave any."""
    words, code, hint = words_of(body)
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


def _live(body: bytes) -> bool | None:
    """Whether what is in the way is live; only our own host says so."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    live = value.get("live") if isinstance(value, dict) else None
    return live if isinstance(live, bool) else None


def words_of(body: bytes) -> tuple[str, str | None, str | None]:
    """What a refusal says: a sentence (empty if there is none), a code, a hint (contract, sections 7.1 and 2.5)."""
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
    parts = [value.get(key) for key in ("reason", "termination_reason", "error_details")]
    return ": ".join(str(each) for each in parts if each)
