"""What a Dockerfile says of the process that its image runs; pure.

Only the last stage (or the one named) counts: its command, working directory, variables, the installation steps that
work in a project directory as well, and the others, those of stages from which it copies among them.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

from msgspec import Struct, field

DockerfileCommand = str | list[str]
"""A text for a shell, or words."""

_SETUP = re.compile(
    r"(npm (ci|install|i)|yarn( install)?|pnpm (install|i)|bundle install|go mod download|cargo fetch|mix deps\.get"
    r"|composer install|(pip3?|python3? -m pip|uv pip) install|uv sync|poetry install|npm run \S+|yarn build)\b"
    r"[^|;&<>]*"
)


_HOUSEKEEPING = re.compile(
    r"(rm|mkdir|chown|chmod|useradd|adduser|groupadd|addgroup|set|cd|ln|true|echo|touch|find|corepack)\b.*"
    r"|(apt|apt-get|apk) (update|upgrade|clean|autoremove|autoclean)\b.*|(npm|yarn|pip3?) cache .*",
    re.DOTALL,
)
_SCRIPT = re.compile(r"\b(if|for|while|case|until)\b.*\b(then|do|in)\b|<<|\|", re.DOTALL)


class Image(Struct):
    """The last stage of a Dockerfile.

    `setup` are the installation steps, `others` all else that it runs; `copies` pairs of source and target.
    """

    base: str = ""
    command: DockerfileCommand | None = None
    entrypoint: DockerfileCommand | None = None
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> DockerfileCommand | None:
        """Return what a container runs: the entry point with the command as its arguments."""
        if self.entrypoint is None:
            return self.command
        if isinstance(self.entrypoint, str):
            return self.entrypoint
        return [*self.entrypoint, *(self.command if isinstance(self.command, list) else [])]


def parse_dockerfile(text: str, target: str | None = None) -> Image:
    """Return the stage `target`, or the last one."""
    stages: dict[str, Image] = {}
    image = Image()
    name = ""
    for instruction, rest in instructions(text):
        if instruction == "FROM":
            if name and name == target:
                return image
            image, name = _stage(rest, stages)
            stages[name or str(len(stages))] = image
        else:
            _apply(image, instruction, rest)
            if instruction in ("COPY", "ADD") and (source := re.search(r"--from=(\S+)", rest)):
                _take_over(image, stages.get(source[1]))
    return image


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield instructions with their arguments; continued lines are joined, comments left out."""
    pending = end = ""
    for line in text.splitlines():
        stripped = line.strip()
        if end:  # the lines of a here-document are not instructions
            end = "" if stripped == end else end
            continue
        if stripped.startswith("#") or not stripped:
            continue
        pending += stripped.removesuffix("\\") + " "
        if stripped.endswith("\\"):
            continue
        word, _, rest = pending.strip().partition(" ")
        pending = ""
        here = re.search(r"<<-?[\"']?(\w+)", rest)
        end = here[1] if here is not None else ""
        yield word.upper(), rest.strip()


def _stage(rest: str, stages: dict[str, Image]) -> tuple[Image, str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    base = words[0] if words else ""
    name = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
    earlier = stages.get(base)
    if earlier is None:
        return Image(base=base), name
    inherited = Image(earlier.base, earlier.command, earlier.entrypoint, earlier.workdir, dict(earlier.env))
    inherited.ports, inherited.setup, inherited.copies = [*earlier.ports], [*earlier.setup], [*earlier.copies]
    inherited.others = [*earlier.others]
    return inherited, name


def _take_over(image: Image, source: Image | None) -> None:
    """Add the steps of a stage from which files are copied: what they build has to be there."""
    if source is not None:
        image.others += [step for step in (*source.setup, *source.others) if step not in image.others]


def _apply(image: Image, instruction: str, rest: str) -> None:
    match instruction:
        case "CMD":
            image.command = _command(rest)
        case "ENTRYPOINT":
            image.entrypoint, image.command = _command(rest), None
        case "WORKDIR":
            image.workdir = rest if rest.startswith("/") else f"{image.workdir.rstrip('/')}/{rest}"
        case "ENV":
            image.env.update(_variables(rest))
        case "EXPOSE":
            image.ports += [int(found) for found in re.findall(r"\b(\d{1,5})\b(?!/udp)", rest)]
        case "RUN":
            _run(image, rest)
        case "COPY" | "ADD":
            words = [word for word in rest.split() if not word.startswith("--")]
            if len(words) >= 2 and "--from=" not in rest:
                image.copies += [(source, words[-1]) for source in words[:-1]]


def _command(rest: str) -> DockerfileCommand:
    """Read the form with brackets as words, any other as a text for the shell."""
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except ValueError:
            return rest
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return words
    return rest


def _variables(rest: str) -> dict[str, str]:
    name, _, value = rest.partition(" ")
    if "=" not in name:
        return {name: value.strip()}
    try:
        words = shlex.split(rest)
    except ValueError:
        return {}
    return {key: value for key, equals, value in (word.partition("=") for word in words) if equals}


def _run(image: Image, rest: str) -> None:
    is_script = _SCRIPT.search(rest) is not None
    for part in re.split(r"&&|;", rest):
        if (found := _installation(part)) is not None:
            image.setup.append(found)
        elif not is_script and not _HOUSEKEEPING.fullmatch(step := _plain(part)) and step:
            image.others.append(step)
    if is_script:
        image.others.append(_plain(rest))


def _plain(step: str) -> str:
    """Return a step without the options of the build, and its spaces made single."""
    return " ".join(re.sub(r"--mount=\S+", "", step).split())


def _installation(step: str) -> str | None:
    words = re.sub(r"--mount=\S+\s*|--no-cache-dir\s*|--no-cache\s*|--chown=\S+\s*", "", step).strip()
    return words if _SETUP.fullmatch(words) else None
