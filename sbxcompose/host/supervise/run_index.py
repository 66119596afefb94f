"""Which row a handle or a PID means: by its current run, and of a PID that was given again the latest one."""

from __future__ import annotations

from sbxcompose.host.supervise.process import SupervisedProcess


class Runs:
    """Rows by the handle and the PID of their current or latest run."""

    def __init__(self) -> None:
        self._handles: dict[int, SupervisedProcess] = {}
        self._pids: dict[int, SupervisedProcess] = {}
        self._pid_of: dict[int, int] = {}

    def by_handle(self, handle: int) -> SupervisedProcess | None:
        """Return the row whose run has that handle."""
        return self._handles.get(handle)

    def by_pid(self, digits: str) -> SupervisedProcess | None:
        """Return the row whose run has the PID that these digits are."""
        return self._pids.get(int(digits)) if len(digits) < 20 else None

    def put(self, process: SupervisedProcess, *before: int) -> None:
        """Enter a row's run; `before` are handles that it had before. Its former PID no longer means it."""
        record = process.record
        assert record.run is not None
        for handle in before:
            self._handles.pop(handle, None)
        self._handles[process.handle] = process
        self._forget_pid(process)
        self._pid_of[record.id] = record.run.pid
        holder = self._pids.get(record.run.pid)
        if holder is None or holder.handle < process.handle:
            self._pids[record.run.pid] = process

    def remove(self, process: SupervisedProcess) -> None:
        """Forget a row."""
        self._handles.pop(process.handle, None)
        self._forget_pid(process)

    def _forget_pid(self, process: SupervisedProcess) -> None:
        pid = self._pid_of.pop(process.record.id, None)
        if pid is not None and self._pids.get(pid) is process:
            del self._pids[pid]
