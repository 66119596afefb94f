"""Members of archives, harmless and hostile ones."""

from __future__ import annotations

import tarfile


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def folder(name: str) -> tarfile.TarInfo:
    return info(name, tarfile.DIRTYPE)


def link(name: str, target: str) -> tarfile.TarInfo:
    return info(name, tarfile.SYMTYPE, target)


def hard(name: str, target: str) -> tarfile.TarInfo:
    return info(name, tarfile.LNKTYPE, target)


HOSTILE = {
    "an absolute name": [info("/etc/passwd")],
    "an absolute folder": [folder("/etc")],
    "two dots": [info("../x")],
    "two dots in the middle": [info("a/../../x")],
    "two dots that stay inside": [info("a/../x")],
    "two dots at the end": [folder("a/..")],
    "a file in place of the folder": [info(".")],
    "a link in place of the folder": [link("./", "elsewhere")],
    "a zero byte": [info("a\0b")],
    "a zero byte in a link": [link("a", "b\0c")],
    "a very long name": [info("a/" * 3000 + "b")],
    "a name that is no text": [info("a\ud800b")],
    "an absolute link": [link("l", "/etc")],
    "a link with two dots": [link("l", "..")],
    "a link one too far up": [link("a/b/l", "../../..")],
    "a link one too far up later": [link("a/b/l", "x/../../../..")],
    "a link to nothing": [link("l", "")],
    "a name below a link": [link("a", "b"), folder("b"), info("a/x")],
    "a name below a link that follows": [info("a/b/x"), link("a", "c")],
    "a name below a file": [info("a"), info("a/x")],
    "another name outside": [hard("x", "../../etc/passwd")],
    "another name, absolute": [hard("x", "/etc/passwd")],
    "another name of what is not in the archive": [hard("x", "y")],
    "another name of what follows": [hard("x", "y"), info("y")],
    "another name of a folder": [folder("y"), hard("x", "y")],
    "another name of what becomes a folder": [info("y"), hard("x", "y"), folder("y")],
    "another name of a former file": [info("y"), hard("x", "y"), info("y", tarfile.FIFOTYPE)],
    "another name of a link, outside there": [link("a/l", "../x"), hard("m", "a/l")],
}
