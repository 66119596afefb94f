"""Lay each process over the one that it extends; pure.

This is done on the tree, before variables are replaced, so that it follows the rules by which files are laid over one
another (`spec.merge`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sbxcompose.errors import Mistake
from sbxcompose.similar import did_you_mean
from sbxcompose.spec.merge import merge
from sbxcompose.spec.nodes import Mapping, Node, Scalar, is_null

MAIN = "main"
"""The sandbox that `processes` at the top of a file belongs to."""

Address = tuple[str, str]
"""Sandbox and process."""


def extend(root: Node, mistakes: list[Mistake]) -> Node:
    """Return the tree without any `extends`; what cannot be extended is added to `mistakes`."""
    if not isinstance(root, Mapping):
        return root
    holders = list(_holders(root))
    if not any("extends" in process.entries for _, holder in holders for _, process in _processes(holder)):
        return root
    resolver = _Resolver(holders, mistakes)
    tree = _copy(root)
    for sandbox, holder in _holders(tree):
        for name, process in _processes(holder):
            holder.entries[name] = (holder.entries[name][0], resolver.resolve((sandbox, name), process))
    return tree


def _holders(root: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield every mapping of processes, with its sandbox."""
    processes, sandboxes = root.get("processes"), root.get("sandboxes")
    if isinstance(processes, Mapping):
        yield MAIN, processes
    for name, (_, sandbox) in sandboxes.entries.items() if isinstance(sandboxes, Mapping) else ():
        inner = sandbox.get("processes") if isinstance(sandbox, Mapping) else None
        if isinstance(inner, Mapping):
            yield name, inner


def _processes(holder: Mapping) -> list[tuple[str, Mapping]]:
    return [(name, process) for name, (_, process) in holder.entries.items() if isinstance(process, Mapping)]


def _copy(root: Mapping) -> Mapping:
    """Copy down to the mappings of processes: the tree that was read stays as it is."""
    copied = _shallow(root)
    for key in ("processes", "sandboxes"):
        node = root.get(key)
        if isinstance(node, Mapping):
            copied.entries[key] = (root.entries[key][0], _shallow(node))
    sandboxes = copied.get("sandboxes")
    for name, (key_node, sandbox) in list(sandboxes.entries.items()) if isinstance(sandboxes, Mapping) else ():
        if isinstance(sandboxes, Mapping) and isinstance(sandbox, Mapping):
            inner, own = sandbox.get("processes"), _shallow(sandbox)
            if isinstance(inner, Mapping):
                own.entries["processes"] = (sandbox.entries["processes"][0], _shallow(inner))
            sandboxes.entries[name] = (key_node, own)
    return copied


def _shallow(node: Mapping) -> Mapping:
    return Mapping(node.document, node.line, node.column, dict(node.entries))


class _Resolver:
    def __init__(self, holders: list[tuple[str, Mapping]], mistakes: list[Mistake]) -> None:
        self._written: dict[Address, Mapping] = {
            (sandbox, name): process for sandbox, holder in holders for name, process in _processes(holder)
        }
        self._mistakes = mistakes
        self._resolved: dict[Address, Mapping] = {}
        self._path: list[Address] = []

    def resolve(self, address: Address, written: Mapping) -> Mapping:
        """Return the process with all that it extends beneath it."""
        if "extends" not in written.entries:
            return written
        if address in self._resolved:
            return self._resolved[address]
        own = _shallow(written)
        key, node = own.entries.pop("extends")
        if is_null(node):
            return own
        target = self._target(address, node)
        if target is None:  # a mistake, because of which a command is not missing besides
            own.entries.setdefault("command", (key, Scalar(node.document, node.line, node.column, "true", "true")))
        self._path.append(address)
        merged: Node = own if target is None else merge(self.resolve(target, self._written[target]), own)
        self._path.pop()
        assert isinstance(merged, Mapping)
        self._resolved[address] = merged
        return merged

    def _target(self, address: Address, node: Node) -> Address | None:
        if not isinstance(node, Scalar) or not node.text:
            self._mistakes.append(node.mistake("`extends` must be the name of a process", _hint(node)))
            return None
        sandbox, slash, name = node.text.rpartition("/")
        target = (sandbox if slash else address[0], name)
        if target not in self._written:
            known = [process for holder, process in self._written if holder == target[0]]
            hint = did_you_mean(name, known, "it must be a process of this file or of one that it includes")
            self._mistakes.append(node.mistake(f"no process is named `{node.text}`", hint))
            return None
        if target in [*self._path, address]:
            circle = " -> ".join(process for _, process in [*self._path, address, target])
            self._mistakes.append(node.mistake(f"cycle of `extends`: {circle}"))
            return None
        return target


def _hint(node: Node) -> str | None:
    """Return the way out for the mapping that Docker Compose takes."""
    if not isinstance(node, Mapping):
        return None
    service = node.get("service")
    name = service.text if isinstance(service, Scalar) else "NAME"
    file = node.get("file")
    included = f"`include: {file.text}` at the top, and here " if isinstance(file, Scalar) else ""
    return f"write {included}`extends: {name}`"
