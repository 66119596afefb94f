"""Changes -> the shell script that carries them out in the sandbox, with what any image has: sh, mv, rm, chmod; pure.

Everything new is staged beside the tree, on the same file system, and moved into place: a process there reads the old
file or the new one, never half of one. Directories that are new as a whole are moved as a whole.

The script runs in the workspace. It works under a lock, since two machines may copy at once, and only if the record of
what is there is still the one that was compared; else it ends with `OUTDATED`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from sbxcompose.files.changes import PathChanges, parents
from sbxcompose.files.manifest import Manifest, name_bytes

OUTDATED = 75
"""Exit code: another client has changed the tree meanwhile; compare again."""
IN_THE_WAY = 76
"""Exit code: something that the sandbox has made is where a file has to go; standard error says what."""
LONGEST = 60_000
"""Bytes of arguments for one command."""

PLACE = ".sbxcompose"
"""The folder in the workspace that holds the record, the lock and what is staged."""


class ScriptParts(Struct, frozen=True):
    """What surrounds a change. `stage` is a folder with `tree/`, `before`, `after` and `state`.

    It is called `.sbxcompose/in.ORIGIN.PID.NUMBER`; what other processes of its origin have left behind is taken away,
    what other origins have left a day ago, and `earlier` stages of this process. If one of the others is not dead but
    copies right now, it finds its stage gone, ends with `OUTDATED`, and begins again.
    `singles` are files that were written by themselves: their name in the stage, and their path. `expected_state` and
    `expected_size` are of the record that was compared. `replace`: the record is written anew instead of appended to.
    `last`: the tree is complete afterwards, so its state is written.
    """

    stage: str
    expected_state: str
    expected_size: int
    replace: bool
    last: bool
    singles: tuple[tuple[str, str], ...] = ()
    earlier: tuple[str, ...] = ()


# `alive` reads the command line, because the pid of a dead holder may belong to another process by now.
# `stale` gives a holder that has made the directory one second to write its pid. It renames the lock before removing
# it: of two that rename the same one, one succeeds. `put` recurses in subshells: POSIX sh has no local variables.
_PRELUDE = rb"""set -eu
umask 077
P=.sbxcompose
L=$P/lock
say() { printf '%s\n' "$*" >&2; }
locked() { mkdir "$L" 2>/dev/null && echo $$ > "$L/pid"; }
alive() {
  if [ ! -d /proc/self ]; then kill -0 "$1" 2>/dev/null; return; fi
  case $(tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null) in *.sbxcompose/*) return 0;; *) return 1;; esac
}
stale() {
  seen=$(cat "$L/pid" 2>/dev/null) || seen=
  if [ -z "$seen" ]; then sleep 1; seen=$(cat "$L/pid" 2>/dev/null) || seen=; fi
  if [ -n "$seen" ] && alive "$seen"; then return 1; fi
  mv "$L" "$P/lock.$$" 2>/dev/null || return 0
  rm -rf "$P/lock.$$"
}
lock() {
  tries=0
  until locked; do
    stale && continue
    tries=$((tries + 1))
    if [ $tries -gt 120 ]; then say "another copy has held $L for two minutes"; exit 77; fi
    sleep 1
  done
  trap 'rm -rf "$L" "$S"' EXIT
  trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
}
size() { if [ -f "$P/manifest" ]; then echo $(($(wc -c < "$P/manifest"))); else echo 0; fi; }
state() { cat "$P/state" 2>/dev/null || :; }
dir() {
  for t; do
    if [ -L "$t" ] || { [ -e "$t" ] && [ ! -d "$t" ]; }; then rm -f -- "$t"; fi
    if [ ! -d "$t" ]; then mkdir -- "$t"; chmod 755 -- "$t"; fi
    if [ ! -w "$t" ]; then chmod u+w -- "$t"; fi
  done
}
put() {
  d=$1; shift
  for n; do
    t=$d/$n
    if [ -L "$t" ]; then rm -f -- "$t"
    elif [ -d "$t" ]; then
      if [ -d "$S/tree/$t" ] && [ ! -L "$S/tree/$t" ]; then (merge "$t"); continue; fi
      rmdir -- "$t" 2>/dev/null || { say "$t is a directory there, with files of its own"; exit 76; }
    elif [ -e "$t" ] && [ -d "$S/tree/$t" ] && [ ! -L "$S/tree/$t" ]; then rm -f -- "$t"
    fi
    if [ $# -eq 1 ]; then mv -f -- "$S/tree/$t" "$t"; fi
  done
  if [ $# -gt 1 ]; then (several "$d" "$@"); fi
}
several() {
  d=$1; shift; first=y
  for n; do
    if [ $first ]; then set --; first=; fi
    if [ -e "$S/tree/$d/$n" ] || [ -L "$S/tree/$d/$n" ]; then set -- "$@" "$S/tree/$d/$n"; fi
  done
  if [ $# -gt 0 ]; then mv -f -- "$@" "$d/"; fi
}
merge() {
  m=$1; set --
  for n in "$S/tree/$m"/* "$S/tree/$m"/.[!.]* "$S/tree/$m"/..?*; do
    if [ -e "$n" ] || [ -L "$n" ]; then set -- "$@" "${n##*/}"; fi
  done
  if [ ! -w "$m" ]; then chmod u+w -- "$m"; fi
  if [ $# -gt 0 ]; then put "$m" "$@"; fi
  if [ "$m" != . ]; then rmdir -- "$S/tree/$m"; fi
}
del() {
  d=$1; shift
  if [ -L "$d" ] || [ ! -d "$d" ]; then return 0; fi
  if [ ! -w "$d" ]; then chmod u+w -- "$d"; fi
  first=y
  for n; do
    if [ $first ]; then set --; first=; fi
    if [ -L "$d/$n" ] || [ ! -d "$d/$n" ]; then set -- "$@" "$d/$n"; fi
  done
  if [ $# -gt 0 ]; then rm -f -- "$@"; fi
}
gone() { for t; do if [ -d "$t" ] && [ ! -L "$t" ]; then rmdir -- "$t" 2>/dev/null || :; fi; done; }
mode() { m=$1; shift; chmod "$m" -- "$@"; }
"""


def script(changes: PathChanges, here: Manifest, there: Manifest, frame: ScriptParts) -> bytes:
    """Return the script; its working directory is the workspace."""
    lines = [*_begin(frame), *_singles(frame, here), *_change(changes, here, there), *_end(frame)]
    return b"\n".join([_PRELUDE, *lines, b""])


def inline(
    changes: PathChanges, here: Manifest, there: Manifest, frame: ScriptParts, contents: Mapping[str, bytes]
) -> bytes:
    """Return the same for a small change that comes without an archive: these files of the stage are in the script
    itself.
    """
    lines = []
    for name, data in contents.items():
        lines.append(b"printf '%s' > \"$S/%s\"" % (b"".join(b"\\%03o" % byte for byte in data), name.encode()))
    stage, folder, *rest = _begin(frame)
    lines = [stage, folder, *lines, *rest, *_singles(frame, here), *_change(changes, here, there), *_end(frame)]
    return b"\n".join([_PRELUDE, *lines, b""])


def merging(stage: str) -> bytes:
    """Move everything from the `tree/` of a stage in the working directory into the working directory."""
    return _PRELUDE + b"S=%s\ntrap 'rm -rf \"$S\"' EXIT\nmerge .\n" % quoted(stage)


def _singles(frame: ScriptParts, here: Manifest) -> Iterator[bytes]:
    for staged, path in frame.singles:
        directory = next(parents(path), "")
        if directory:
            yield b'mkdir -p -- "$S/tree/"%s' % quoted(directory)
        yield b'mv -f -- "$S/%s" "$S/tree/"%s' % (staged.encode(), quoted(path))
        yield b'chmod %o -- "$S/tree/"%s' % (here[path].mode, quoted(path))


def _begin(frame: ScriptParts) -> Iterator[bytes]:
    stage = quoted(frame.stage)
    yield b"S=%s" % stage
    yield b'mkdir -p "$S/tree"'
    yield b"lock"
    process = frame.stage.rpartition(".")[0]
    pattern = quoted(process.rpartition(".")[0] + "."), quoted(process + ".")
    yield b'for o in %s*; do case $o in %s*) ;; *) rm -rf -- "$o";; esac; done' % pattern
    yield from (b"rm -rf -- %s %s.*" % (quoted(stage), quoted(stage)) for stage in frame.earlier)
    yield b'find "$P" -name "in.*" -prune -mtime +0 -exec rm -rf -- {} + 2>/dev/null || :'
    for staged in ("before", *(name for name, _ in frame.singles)):
        yield b'[ -e "$S/%s" ] || exit %d' % (staged.encode(), OUTDATED)
    yield b'if [ "$(state)" != %s ] || [ "$(size)" != %d ]; then exit %d; fi' % (
        quoted(frame.expected_state),
        frame.expected_size,
        OUTDATED,
    )
    yield b"""[ -e "$P/.gitignore" ] || echo '*' > "$P/.gitignore\""""
    # Before anything is touched: a tree without a state counts as incomplete, and a copy may be cut off anywhere.
    yield b'rm -f "$P/state"'
    yield b'mv -f "$S/before" "$P/manifest"' if frame.replace else b'cat "$S/before" >> "$P/manifest"'


def _end(frame: ScriptParts) -> Iterator[bytes]:
    yield b'mv -f "$S/after" "$P/manifest"' if frame.replace else b'cat "$S/after" >> "$P/manifest"'
    if frame.last:
        yield b'mv -f "$S/state" "$P/state"'
    # For the trap that removes the stage: in a directory that is not writable nothing can be deleted.
    yield b'chmod -R u+w "$S/tree" 2>/dev/null || :'


def _change(changes: PathChanges, here: Manifest, there: Manifest) -> Iterator[bytes]:
    yield from _removals(changes.cleared, there)
    fresh = _fresh(changes, here, there)
    places = dict.fromkeys(_above([*fresh, *changes.modes]))
    existing = [path for path in changes.directories if path in there and path not in fresh]
    yield from _commands(b"dir", sorted({*places, *existing}))
    for directory, names in _grouped(fresh):
        yield from _commands(b"put " + quoted(directory), names)
    yield from _removals(changes.deleted, there)
    yield from _modes(changes, here, there, places)


def _fresh(changes: PathChanges, here: Manifest, there: Manifest) -> list[str]:
    """Return what is moved into place: of what is new as a whole only the top."""
    new = {path for path in changes.directories if path not in there or there[path].kind != "dir"}
    moved = [*changes.send, *new]
    return sorted(path for path in moved if not any(above in new for above in parents(path)))


def _above(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield from parents(path)


def _removals(paths: Sequence[str], there: Manifest) -> Iterator[bytes]:
    """Files and links first, then directories, the deepest first."""
    unknown = [path for path in paths if not there[path].known]
    files = [path for path in paths if there[path].kind != "dir"]
    directories = [path for path in paths if there[path].kind == "dir"]
    for directory, names in _grouped(dict.fromkeys([*files, *unknown])):
        yield from _commands(b"del " + quoted(directory), names)
    yield from _commands(b"gone", sorted({*directories, *unknown}, reverse=True))


def _modes(changes: PathChanges, here: Manifest, there: Manifest, places: Iterable[str]) -> Iterator[bytes]:
    """Modes come last, the deepest first: a directory that cannot be written to is closed once it is complete."""
    written = [*places, *_above([*changes.deleted, *changes.cleared])]
    closed = {path for path in written if path in here and not here[path].mode & 0o200}
    by_mode: dict[int, list[str]] = {}
    for path in sorted({*changes.directories, *changes.modes, *closed}, reverse=True):
        by_mode.setdefault(here[path].mode, []).append(path)
    closing = sorted(by_mode.items(), key=lambda pair: pair[0] & 0o300 != 0o300)
    for mode, paths in closing:
        yield from _commands(b"mode %o" % mode, paths)


def _grouped(paths: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Paths by the directory that they are in, as names."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        groups.setdefault(directory or ".", []).append(name)
    return list(groups.items())


def _commands(command: bytes, arguments: Sequence[str]) -> Iterator[bytes]:
    """Yield the command with all arguments, as often as their length makes it necessary."""
    line: list[bytes] = []
    length = 0
    for argument in arguments:
        word = quoted(argument)
        if line and length + len(word) > LONGEST:
            yield b" ".join([command, *line])
            line, length = [], 0
        line.append(word)
        length += len(word) + 1
    if line:
        yield b" ".join([command, *line])


def quoted(text: str) -> bytes:
    """Quote a word for the shell."""
    return b"'" + name_bytes(text).replace(b"'", b"'\\''") + b"'"
