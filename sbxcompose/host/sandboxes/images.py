"""Image builds and imports, recorded as done: the programs of a sandbox are this machine's, whatever its image.

A build keeps the text of its Dockerfile, so that people can look up what would have been built. The host does this only
if it is started to (`settings.accepts`).
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sbxcompose.api.models import Message
from sbxcompose.api.sandbox_models import ImageBuildRequest
from sbxcompose.clock import wall_ms
from sbxcompose.host.base import trees
from sbxcompose.host.base.ids import new_id
from sbxcompose.host.base.json_files import read_each, write_json
from sbxcompose.host.base.problems import Problem, from_os

NOT_BUILT = "recorded, and not built: no step of it was run; the programs of a sandbox are this machine's"
RECORD = "build.json"
CONTEXT = "context.tar"
LARGEST_DOCKERFILE = 1 << 20
"""Bytes of a Dockerfile that are kept."""


class ImageBuild(Message, frozen=True, kw_only=True):
    """What is on disk of a build, and with it of its image."""

    id: str
    request: ImageBuildRequest
    status: str
    created_at: int
    updated_at: int
    context_digest: str | None = None
    dockerfile: str | None = None

    @property
    def image(self) -> dict[str, Any]:
        """The image as clients read it."""
        return {
            "id": f"image_{self.id}",
            "name": self.request.name,
            "snapshot_id": f"image-{self.id}",
            "global": False,
            "physical_size_bytes": 0,
            "logical_size_bytes": 0,
            "disk_mb": self.request.disk_mb,
            "not_built": NOT_BUILT,
            "created_at": _moment(self.created_at),
            "updated_at": _moment(self.updated_at),
        }

    @property
    def told(self) -> dict[str, Any]:
        """The build as clients read it."""
        done = self.status == "succeeded"
        return {
            "build_id": self.id,
            "name": self.request.name,
            "kind": self.request.kind,
            "status": self.status,
            "phase": "finished" if done else "awaiting_context",
            "attempt_no": 1,
            "client_request_id": self.request.client_request_id,
            "created_at_ms": self.created_at,
            "updated_at_ms": self.updated_at,
            "result": self.image if done else None,
            "not_built": NOT_BUILT,
        }


class Images:
    """All image builds of the host, of which the latest finished one of a name is the image."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._builds: dict[str, ImageBuild] = {}

    def load(self) -> None:
        """Read what is recorded."""
        self._builds = {build.id: build for build in read_each(self._directory, RECORD, ImageBuild)}

    def done(self) -> list[ImageBuild]:
        """Return the builds whose images there are, in the order of names."""
        found = (build for build in self._builds.values() if build.status == "succeeded")
        return sorted(found, key=lambda build: build.request.name)

    def find(self, name: str) -> ImageBuild:
        """Return the build of an image, by the image's name or id. Raises `Problem`."""
        for build in self.done():
            if name in (build.request.name, build.image["id"]):
                return build
        raise Problem(404, f"image {name[:80]} not found", "IMAGE_NOT_FOUND")

    def not_built(self, name: str | None) -> list[str]:
        """Return what of a sandbox is missing that is said to have that image."""
        recorded = any(name in (build.request.name, build.image["id"]) for build in self._builds.values())
        return [f"image {name}: {NOT_BUILT}"] if recorded else []

    def build(self, number: str) -> ImageBuild:
        """Return a build. Raises `Problem`."""
        found = self._builds.get(number)
        if found is None:
            raise Problem(404, f"image build {number[:80]} not found", "not_found")
        return found

    def begin(self, request: ImageBuildRequest) -> ImageBuild:
        """Record a build; an import, which has no context, is done at once. Raises `Problem`."""
        if not request.name or len(request.name) > 255:
            raise Problem(422, "name must have 1 to 255 characters", "INVALID")
        if request.kind == "import" and not request.image_ref:
            raise Problem(422, "image_ref is needed to import an image", "INVALID")
        if request.kind not in ("import", "dockerfile"):
            raise Problem(400, f"an image cannot be built from `{request.kind[:40]}` here", "UNSUPPORTED")
        build = ImageBuild(id=new_id(), request=request, status="pending", created_at=wall_ms(), updated_at=wall_ms())
        self._save(build)
        return self._finish(build) if request.kind == "import" else build

    async def upload(self, number: str, pieces: AsyncIterator[bytes]) -> None:
        """Take the context of a build, a tar archive. Raises `Problem`."""
        build = self._waiting(number)
        path = self._directory / number / CONTEXT
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                async for piece in pieces:
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
            text = await asyncio.to_thread(_dockerfile, path, build.request.dockerfile_path)
        except OSError as error:
            raise from_os(error, "the context cannot be kept") from None
        finally:
            path.unlink(missing_ok=True)
        # Looked up anew: the build may have been cancelled while its context arrived.
        self._save(replace(self._waiting(number), dockerfile=text, context_digest=digest.hexdigest()))

    def seal(self, number: str, digest: str) -> ImageBuild:
        """Take note that a context is complete: the build is done. Raises `Problem`."""
        build = self._waiting(number)
        if build.context_digest is None:
            raise Problem(409, "the context has not been uploaded", "NO_CONTEXT")
        if digest != build.context_digest:
            raise Problem(400, f"the context that arrived has SHA-256 {build.context_digest}", "BAD_DIGEST")
        return self._finish(build)

    def cancel(self, number: str) -> dict[str, Any]:
        """Cancel a build that is not done; what became of it, as clients read it. Raises `Problem`."""
        build = self.build(number)
        if build.status != "pending":
            outcome = "already_completed" if build.status == "succeeded" else "already_cancelled"
            return {"outcome": outcome, "build": build.told}
        build = replace(build, status="cancelled", updated_at=wall_ms())
        self._save(build)
        return {"outcome": "cancelled", "build": build.told}

    def delete(self, name: str) -> None:
        """Remove an image. Raises `Problem`."""
        self._remove(self.find(name))

    def _waiting(self, number: str) -> ImageBuild:
        build = self.build(number)
        if build.status != "pending":
            raise Problem(409, f"image build {number} is {build.status}", "BUILD_FINISHED")
        return build

    def _finish(self, build: ImageBuild) -> ImageBuild:
        done = replace(build, status="succeeded", updated_at=wall_ms())
        self._save(done)
        print(f"image {build.request.name}: {NOT_BUILT}", file=sys.stderr)
        for other in list(self._builds.values()):
            if other.request.name == build.request.name and other.id != build.id and other.status != "pending":
                self._remove(other)
        return done

    def _save(self, build: ImageBuild) -> None:
        try:
            (self._directory / build.id).mkdir(mode=0o700, parents=True, exist_ok=True)
            write_json(self._directory / build.id / RECORD, build.write())
        except OSError as error:
            raise from_os(error, "the image build cannot be recorded") from None
        self._builds[build.id] = build

    def _remove(self, build: ImageBuild) -> None:
        try:
            trees.remove_tree(str(self._directory / build.id))
        except OSError as error:
            raise from_os(error, f"image {build.request.name} cannot be removed") from None
        del self._builds[build.id]


def _moment(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat()


def _dockerfile(archive: Path, name: str) -> str:
    """Return the text of the Dockerfile in a context. Raises `Problem`."""
    import tarfile  # late: 0.4 MiB that a host without builds does not need

    wanted = name.removeprefix("./")
    try:
        with tarfile.open(archive) as context:
            for member in context:
                if member.isfile() and member.name.removeprefix("./") == wanted:
                    file = context.extractfile(member)
                    assert file is not None
                    return file.read(LARGEST_DOCKERFILE).decode("utf-8", "replace")
    except (tarfile.TarError, EOFError) as error:
        raise Problem(400, f"the context is not a tar archive: {error}", "BAD_CONTEXT") from None
    raise Problem(400, f"the context has no {name[:200]}", "BAD_CONTEXT")
