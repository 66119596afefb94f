"""The platform's routes (contract, sections 8 and 10.4): over TCP, with the key."""

from __future__ import annotations

from tests.live.host.hosts import LiveHost, client_of, live_host
from tests.support.home import Home


def test_a_key_tells_its_project_and_the_project_itself(host_environ: Home) -> None:
    with live_host(host_environ, port=0, key="sesame") as host, client_of(tcp=host.status["tcp"], key="sesame") as http:
        told = http.post("/platform/v1/keys/introspect").raise_for_status().json()
        assert told == {"id": "local", "organizationId": "local", "projectId": "local"}
        path = f"/platform/v1/organizations/{told['organizationId']}/projects"
        assert http.get(f"{path}/{told['projectId']}").raise_for_status().json()["name"] == "this machine"
        other = http.get(f"{path}/other")
        assert (other.status_code, other.json()["code"]) == (404, "NOT_FOUND")
        with client_of(tcp=host.status["tcp"], key="wrong") as stranger:
            refused = stranger.post("/platform/v1/keys/introspect")
            assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHORIZED")


def test_the_openapi_document_is_served(kept_host: LiveHost) -> None:
    answer = kept_host.http.get("/openapi.json").raise_for_status()
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["paths"]["/sandboxes"]["post"]["responses"]["200"]
