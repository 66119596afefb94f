"""What `by_hand` has a sandbox run, and the folders that it makes there."""

from __future__ import annotations

import posixpath

from sbxcompose.files import leftovers

PROBE = (
    """if [ -d "$1" ]; then echo dir; elif [ -e "$1" ]; then
echo file $(stat -c '%a %s' -- "$1" 2>/dev/null || echo 644); else
n=0; d=$1; while [ ! -e "$d" ] && [ $n -lt 99 ]; do n=$((n+1)); d=$(dirname -- "$d"); done; echo none $n; fi
"""
    + leftovers.LIST
)
# Each of these may be run again by a caller that has lost the answer, and then sees that it has been done.
PLACE = """if [ ! -e "$1" ] && [ -e "$2" ]; then exit; fi
c=21; if [ ! -d "$2" ]; then chmod "$3" -- "$1" && mv -f -- "$1" "$2" && exit; c=$?; fi
rm -f -- "$1"; exit $c"""
UNPACK = """if [ ! -e "$1/$2.tar" ] && [ -d "$1/$2/tree" ]; then exit; fi
mkdir -p -- "$1/$2/tree" && tar $3 "$1/$2.tar" -C "$1/$2/tree"; c=$?; rm -f -- "$1/$2.tar"; exit $c"""
MERGE = 'cd -- "$1" && if [ -d "$3" ]; then eval "$2"; fi'
PACK = """trap 'rm -f -- "$2"; exit 1' HUP INT TERM
rm -f -- "$2"; cd -- "$1" && tar $3 "$2" . || { c=$?; rm -f -- "$2"; exit $c; }
stat -c %s -- "$2" 2>/dev/null || :"""


def upward(path: str, count: int) -> list[str]:
    """Return a path and those above it, `count` in all."""
    found = [path.rstrip("/") or "/"]
    while len(found) < count:
        found.append(posixpath.dirname(found[-1]))
    return found[:count]
