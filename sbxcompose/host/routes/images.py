"""Images as the vendor's image service has them: built, imported, listed, deleted.

Builds are recorded, and not carried out.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.sandbox_models import ContextSealRequest, ImageBuildRequest
from sbxcompose.host.base import settings
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.grants import UPLOADS, upload_query
from sbxcompose.host.routes.common import read_message
from sbxcompose.host.routes.control import sandboxes_of
from sbxcompose.host.sandboxes.images import Images
from sbxcompose.host.sandboxes.rules import unsupported

_HINT = "`host serve --accept images` records them as done; the programs of a sandbox are this machine's in any case"


def _images(request: Request) -> Images:
    return sandboxes_of(request).images


async def begin(request: Request) -> Response:
    """POST /images/v4/builds."""
    if not settings.accepts("images"):
        raise unsupported("images are not built on this machine", _HINT)
    build = _images(request).begin(await read_message(ImageBuildRequest, request))
    upload: dict[str, Any] = {}
    if build.status == "pending":
        query = upload_query(request.state.key, build.id)
        url = f"{request.state.url or 'http://localhost'}{UPLOADS}{build.id}?{query}"
        upload = {"context_upload": {"url": url}}
    return JSONResponse({**build.told, **upload})


async def upload(request: Request) -> Response:
    """PUT /images/v4/uploads/{build}: the context, a tar archive."""
    await _images(request).upload(request.path_params["build"], request.stream())
    return JSONResponse({})


async def seal(request: Request) -> Response:
    """POST /images/v4/builds/{build}/context/seal."""
    told = await read_message(ContextSealRequest, request)
    return JSONResponse(_images(request).seal(request.path_params["build"], told.digest).told)


async def get_build(request: Request) -> Response:
    """GET /images/v4/builds/{build}."""
    return JSONResponse(_images(request).build(request.path_params["build"]).told)


async def cancel(request: Request) -> Response:
    """POST /images/v4/builds/{build}/cancel."""
    return JSONResponse(_images(request).cancel(request.path_params["build"]))


async def list_all(request: Request) -> Response:
    """GET /images/v4/images: all on one page."""
    return JSONResponse({"items": [build.image for build in _images(request).done()]})


async def get(request: Request) -> Response:
    """GET /images/v4/images/name/{name} and /images/v4/images/{name}, the latter by id."""
    return JSONResponse(_images(request).find(request.path_params["name"]).image)


async def delete(request: Request) -> Response:
    """DELETE of the same."""
    _images(request).delete(request.path_params["name"])
    return JSONResponse({})


async def templates(request: Request) -> Response:
    """GET /platform/v1/sandbox-templates: the older kind of images, of which there are none."""
    return JSONResponse({"items": []})


async def no_template(request: Request) -> Response:
    """Everything else on such images."""
    if request.method in ("GET", "DELETE"):
        raise Problem(404, "this host has no sandbox templates", "NOT_FOUND")
    raise unsupported("sandbox templates are not built on this machine; build an image without `cas=False`", _HINT)


_IMAGES, _BUILDS = "/images/v4/images", "/images/v4/builds"
_TEMPLATES = "/platform/v1/sandbox-templates"
ROUTES = [
    Route(_BUILDS, begin, methods=["POST"]),
    Route(UPLOADS + "{build}", upload, methods=["PUT"]),
    Route(_BUILDS + "/{build}/context/seal", seal, methods=["POST"]),
    Route(_BUILDS + "/{build}/cancel", cancel, methods=["POST"]),
    Route(_BUILDS + "/{build}", get_build, methods=["GET"]),
    Route(_IMAGES, list_all, methods=["GET"]),
    *[
        Route(path, endpoint, methods=[method])
        for path in (_IMAGES + "/name/{name:path}", _IMAGES + "/{name}")
        for method, endpoint in (("GET", get), ("DELETE", delete))
    ],
    Route(_TEMPLATES, templates, methods=["GET"]),
    *[Route(_TEMPLATES + "/{rest:path}", no_template, methods=[method]) for method in ("GET", "DELETE")],
    Route("/platform/v1/sandbox-template-builds", no_template, methods=["POST"]),
]
