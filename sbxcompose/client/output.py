"""Choose whose output is read and from where, and turn it into lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api import follow
from sbxcompose.api.frames import StartNote
from sbxcompose.client.new_output import NewOutput
from sbxcompose.engine.last_up import since_last_up
from sbxcompose.engine.listing import newest_rows
from sbxcompose.engine.read_logs import InstanceLogEvent, LogStart
from sbxcompose.engine.secrets import note_secrets
from sbxcompose.engine.session import Session
from sbxcompose.logs.mux import Block, LineSource, Mux
from sbxcompose.logs.sanitize import clean_for_file, shorten
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.plan.selection import select
from sbxcompose.spec.project import Project


class OutputLine(Struct, frozen=True, kw_only=True):
    """One line of output, without its line end, control sequences and the values of secrets.

    `name` is what the command line calls the instance; `stream` is `stdout` or `stderr`; `run` counts from 1; `time`
    is when it was written, in seconds since 1970 (to the accuracy of the chunk that it came with).
    """

    name: str
    text: str
    stream: str
    run: int
    time: float
    sandbox: str
    process: str
    replica: int

    def __str__(self) -> str:
        return self.text


class OutputSelection(Struct, frozen=True):
    """The instances whose output is read (all that have any, without names), and the start of each.

    `new`: what is followed besides, once it is there.
    """

    instances: tuple[Instance, ...]
    begin: LogStart
    observed: Observed
    new: NewOutput


async def select_output(
    session: Session, names: Sequence[str], begin: LogStart, *, everything: bool, exclude: Sequence[str] = ()
) -> OutputSelection:
    """Observe, and choose by names and patterns; without `everything` only output since the last `up` counts.

    Raises `UnknownName`.
    """
    now_ms = round(session.clock.now() * 1000)
    observed = await session.observe()
    instances = _instances(session.project, observed, names, session.notes)
    if exclude:
        left_out = set(_instances(session.project, observed, exclude, session.notes))
        instances = [instance for instance in instances if instance not in left_out]
    if not everything:
        begin = replace(begin, since_up=since_last_up(session.notes, newest_rows(observed)))
    new = NewOutput(ProcessNames(session.project, observed), names, exclude, now_ms)
    return OutputSelection(tuple(instances), begin, observed, new)


def _instances(
    project: Project, observed: Observed, names: Sequence[str], others: Collection[Instance]
) -> list[Instance]:
    """Every instance that the file or a sandbox knows, or that has logs (`others`); of those named, orphans too."""
    shown = ProcessNames(project, observed)
    known: dict[Instance, None] = {}
    for process in project.every_process():
        for replica in range(1, process.replicas + 1):
            known[Instance(process.sandbox, process.name, replica)] = None
    for sandbox in observed.sandboxes:
        known.update(dict.fromkeys(row.instance for row in sandbox.rows))
    known.update(dict.fromkeys(others))
    if not names:
        return list(known)
    return select(known, names, ProcessNames(project), shown.instance)


class LineReader:
    """Turns what `read_logs` tells into lines. A line is held back until it, or its run, has ended."""

    def __init__(self, label: Callable[[Instance], str], secrets: KnownSecrets) -> None:
        self._label = label
        self._secrets = secrets
        self._mux = Mux(cut_at=self._cut_at, shorten=shorten)

    def feed(self, said: InstanceLogEvent) -> Iterator[OutputLine]:
        """Yield the lines that it completes."""
        match said.event:
            case follow.OutputChunk() as output:
                source = self._source(said.instance, output.stream, output.run)
                for block in self._mux.feed(source, output.read(), output.time_ms):
                    yield from self._lines(block)
            case StartNote() as note:
                note_secrets(self._secrets, said.instance, note)
            case follow.RunOutputEnded(_, run):
                for stream in (1, 2):
                    if (rest := self._mux.flush(self._source(said.instance, stream, run))) is not None:
                        yield from self._lines(rest)
            case _:
                pass

    def finish(self) -> Iterator[OutputLine]:
        """Yield the lines that have no end yet, where nothing will follow."""
        for block in self._mux.flush_all():
            yield from self._lines(block)

    def _source(self, instance: Instance, stream: int, run: int) -> LineSource:
        return LineSource(self._label(instance), stream, run, instance.sandbox, instance.process, instance.replica)

    def _cut_at(self, source: LineSource, piece: bytes) -> int:
        return self._secrets.masker(source).cut_at(piece)

    def _lines(self, block: Block) -> Iterator[OutputLine]:
        source = block.source
        # As for a file: the order matters, because what is taken out may stand within a secret.
        data = self._secrets.masker(source).mask(clean_for_file(block.data))
        for line in data[:-1].split(b"\n"):
            yield OutputLine(
                name=source.label,
                text=line.decode("utf-8", "replace"),
                stream="stderr" if source.stream == 2 else "stdout",
                run=source.run,
                time=block.time_ms / 1000,
                sandbox=source.sandbox,
                process=source.process,
                replica=source.replica,
            )
