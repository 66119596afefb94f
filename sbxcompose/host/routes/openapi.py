"""GET /openapi.json: the document as it is shipped; the server has no part in making it."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FILE_NAME = "openapi.json"


async def openapi(request: Request) -> Response:
    """GET /openapi.json."""
    return Response(document_text(), media_type="application/json")


def document_text() -> str:
    """Return the document: from the installed package or, in a checkout, from `schemas/`.

    Raises `FileNotFoundError` if the installation is damaged.
    """
    package = Path(__file__).parents[2]
    packaged = package / "_schemas" / FILE_NAME
    path = packaged if packaged.is_file() else package.parent / "schemas" / FILE_NAME
    return path.read_text("utf-8")


ROUTES = [Route("/openapi.json", openapi)]
