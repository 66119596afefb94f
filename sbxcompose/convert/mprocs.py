"""mprocs and dekit files -> a draft of this project's file; pure."""

from __future__ import annotations

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import entries, escaped, get, is_true, pairs, plain_names, strings, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_CONVERTED = ("shell", "cmd", "cwd", "env", "autorestart", "autostart", "stop", "deps", "depends_on")


def convert_mprocs(root: Mapping) -> ProjectDraft:
    """Convert an mprocs (or dekit) file."""
    draft = ProjectDraft()
    found = dict(entries(root.get("procs")))
    names = plain_names(found)
    for name, node in found.items():
        process = draft.process(names[name])
        if process.name != name:
            draft.note(NoteKind.CHANGED, name, f"is called `{process.name}`", node)
        _proc(process, node, names)
    for key, value in entries(root):
        if key != "procs":
            draft.note(NoteKind.DROPPED, key, "it is about the screen of mprocs; see `sbxcompose top`", value)
    return draft


def _proc(process: ProcessDraft, node: Node, names: dict[str, str]) -> None:
    shell, words = text(get(node, "shell")) or text(node), strings(get(node, "cmd"))
    if shell is not None:
        process.set("command", escaped(shell))
    elif words or isinstance(node, Sequence):
        process.set("command", [escaped(word) for word in words or strings(node)])
    else:
        process.set("command", placeholder(process.name, "it has neither `shell` nor `cmd`"))
        process.todo("", "it has neither `shell` nor `cmd`", node)
    folder = text(get(node, "cwd"))
    process.set("workdir", escaped(folder).replace("<CONFIG_DIR>", ".") if folder else None)
    process.set_env({key: value and escaped(value) for key, value in pairs(get(node, "env")).items()}, get(node, "env"))
    process.set("tty", value=True)
    process.set("stdin", "pipe")
    process.set("restart", "always" if is_true(get(node, "autorestart")) else "never")
    if text(get(node, "autostart")) is not None and not is_true(get(node, "autostart")):
        process.keys["autostart"] = False
    stop = text(get(node, "stop"))
    if stop in ("SIGINT", "SIGTERM", "SIGKILL"):
        process.set("stop", {"signal": stop})
    elif stop == "hard-kill":
        process.set("stop", {"signal": "SIGKILL"})
    elif get(node, "stop") is not None:
        process.todo("stop", "keys cannot be sent; set `stop.signal` or `stop.command`", get(node, "stop"))
    needs = strings(get(node, "deps")) or strings(get(node, "depends_on"))
    for need in needs:
        if need not in names:
            process.todo("depends_on", f"`{need}` is not in the file, and is left out", node)
    process.set("depends_on", {names[name]: "started" for name in needs if name in names})
    for key, value in entries(node):
        if key not in _CONVERTED:
            process.dropped(key, "no counterpart", value)
