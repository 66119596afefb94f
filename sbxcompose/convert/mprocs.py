"""mprocs and dekit files -> ours; pure."""

from __future__ import annotations

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import entries, escaped, get, is_true, pairs, plain_name, strings, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence


def convert_mprocs(root: Mapping) -> ProjectDraft:
    """Convert an mprocs (or dekit) file."""
    draft = ProjectDraft()
    for name, node in entries(root.get("procs")):
        process = draft.process(plain_name(name))
        if plain_name(name) != name:
            draft.note(NoteKind.CHANGED, name, f"is called `{process.name}`", node)
        _proc(process, node)
    return draft


def _proc(process: ProcessDraft, node: Node) -> None:
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
    process.set("env", {key: value and escaped(value) for key, value in pairs(get(node, "env")).items()})
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
    process.set("depends_on", dict.fromkeys(map(plain_name, strings(get(node, "deps"))), "started"))
