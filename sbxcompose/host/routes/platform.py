"""The platform's routes that the vendor's command line insists on: whose key it is, and for which project
(contract, sections 8 and 10.4).

On this machine there is one key, and one organization with one project. Their ids say so.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.host.base.problems import Problem

ORGANIZATION = "local"
PROJECT = "local"
KEY = "local"


async def introspect(request: Request) -> Response:
    """POST /platform/v1/keys/introspect: the key has been checked on the way in."""
    return JSONResponse({"id": KEY, "organizationId": ORGANIZATION, "projectId": PROJECT})


async def project(request: Request) -> Response:
    """GET /platform/v1/organizations/{org}/projects/{proj}."""
    wanted = (request.path_params["organization"], request.path_params["project"])
    if wanted != (ORGANIZATION, PROJECT):
        words = f"this host has organization {ORGANIZATION} with project {PROJECT}, not {wanted[0]} with {wanted[1]}"
        raise Problem(404, words, "NOT_FOUND")
    return JSONResponse({"id": PROJECT, "organizationId": ORGANIZATION, "name": "this machine"})


ROUTES = [
    Route("/platform/v1/keys/introspect", introspect, methods=["POST"]),
    Route("/platform/v1/organizations/{organization}/projects/{project}", project),
]
