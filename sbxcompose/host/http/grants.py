"""What a client without the key may do with what was given to one that had it: the signed address of an upload, and the
credential of the file systems.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from urllib.parse import parse_qs

UPLOADS, FILE_SYSTEMS = "/images/v4/uploads/", "/project/"
"""What the paths begin with that a grant is for."""
SCOPE = "file-systems"


def upload_query(key: str | None, build: str) -> str:
    """Return the query that lets a client upload the context of an image build."""
    return f"grant={_signature(key, build)}"


def credential(key: str | None, project: str, expires_at: int) -> str:
    """Return a token for the file systems of a project, in the form that clients read the project from; `expires_at` is
    in seconds since 1970.
    """
    head = f"{_part({'alg': 'HS256'})}.{_part({'iss': project, 'exp': expires_at})}"
    return f"{head}.{_signature(key, SCOPE)}"


def is_granted(path: str, query: bytes, headers: Mapping[str, str], key: str | None) -> bool:
    """Return whether a request without the key carries a grant for its path; a host without a key gives none."""
    if key is None:
        return False
    if path.startswith(UPLOADS):
        given = parse_qs(query.decode("ascii", "replace")).get("grant", [""])[0]
        return hmac.compare_digest(given.encode(), _signature(key, path.removeprefix(UPLOADS)).encode())
    if path.startswith(FILE_SYSTEMS):
        given = _password(headers.get("authorization", "")).rpartition(".")[2]
        return hmac.compare_digest(given.encode(), _signature(key, SCOPE).encode())
    return False


def _password(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _signature(key: str | None, what: str) -> str:
    return hmac.new((key or "").encode(), what.encode(), "sha256").hexdigest()


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
