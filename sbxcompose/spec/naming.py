"""What the project, its sandboxes and its provider are called."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable
from typing import cast

from sbxcompose.errors import UsageError
from sbxcompose.similar import did_you_mean
from sbxcompose.spec.fields import full_name_problem
from sbxcompose.spec.models import ProjectModel
from sbxcompose.spec.project import ProviderName
from sbxcompose.spec.request import LoadRequest

PROVIDERS = ("local", "tensorlake")
_LONGEST = 63


def project_name(
    request: LoadRequest, variable: Callable[[str], str | None], model: ProjectModel, directory: str
) -> str:
    """`-p`, `SBXCOMPOSE_PROJECT_NAME`, the file's `name`, or the folder's name. Raises `UsageError`."""
    for where, name in (
        ("-p", request.project_name),
        ("SBXCOMPOSE_PROJECT_NAME", variable("SBXCOMPOSE_PROJECT_NAME")),
    ):
        if name:
            problem = full_name_problem(name)
            if problem is not None:
                raise UsageError(f"{where}: {problem[0]}", hint=f"`{valid_name(name)}` would do: {problem[1]}")
            return name
    return model.name or valid_name(os.path.basename(directory))


def valid_name(text: str) -> str:
    """Return the nearest name that a provider takes (contract, section 2.7): `My App_2` -> `my-app-2`.

    Accents are left out (`Café` -> `cafe`); letters of other scripts are replaced by a hash, so that projects whose
    names have nothing else stay apart.
    """
    lower = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    name = re.sub(r"[^a-z0-9]+", "-", lower).strip("-")
    if any(char.isalnum() and not char.isascii() for char in lower):
        name = f"{name or 'project'}-{_hash(text)}"
    if not name:
        return "project"
    return _shortened(name if name[0].isalpha() else f"p{name}")


def sandbox_name(project: str, sandbox: str) -> str:
    """Return the name at the provider of a sandbox that the file does not name."""
    return _shortened(f"{project}-{re.sub(r'[^a-z0-9]+', '-', sandbox.lower()).strip('-') or 'x'}")


def _shortened(name: str) -> str:
    """Cut a name that is too long for a provider, with a hash of all of it so that it stays unique."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9].rstrip('-')}-{_hash(name)}"


def _hash(text: str) -> str:
    from hashlib import blake2b

    return blake2b(os.fsencode(text), digest_size=4).hexdigest()


def provider_of(request: LoadRequest, variable: Callable[[str], str | None], model: ProjectModel) -> ProviderName:
    """Return the provider of `--provider`, `SBXCOMPOSE_PROVIDER`, or the file. Raises `UsageError`."""
    return forced_provider(request, variable) or model.provider


def forced_provider(request: LoadRequest, variable: Callable[[str], str | None]) -> ProviderName | None:
    """Return the provider that all sandboxes are moved to from outside of the file. Raises `UsageError`."""
    for where, name in (
        ("--provider", request.provider),
        ("SBXCOMPOSE_PROVIDER", variable("SBXCOMPOSE_PROVIDER")),
    ):
        if name:
            if name not in PROVIDERS:
                hint = did_you_mean(name, list(PROVIDERS), "expected `local` or `tensorlake`")
                raise UsageError(f"{where}: no provider is named `{name}`", hint=hint)
            return cast(ProviderName, name)
    return None


def active_profiles(request: LoadRequest, variable: Callable[[str], str | None], model: ProjectModel) -> frozenset[str]:
    """`--profile`, else `SBXCOMPOSE_PROFILES` (with commas), else the file's. `*` stands for all of them."""
    if request.profiles:
        return frozenset(request.profiles)
    listed = variable("SBXCOMPOSE_PROFILES")
    if listed:
        return frozenset(name.strip() for name in listed.split(",") if name.strip())
    return frozenset(model.profiles)
