"""What is said when the kernel refuses to watch."""

from __future__ import annotations

import resource

import pytest
from watchfiles._rust_notify import WatchfilesRustInternalError

from sbxcompose.watch import notifications
from sbxcompose.watch.notifications import Notifications, NotificationsUnavailable


@pytest.mark.parametrize(
    "error, said",
    [
        (
            OSError('OS file watch limit reached. about ["/p/src"] (Error { kind: MaxFilesWatch, paths: ["/p/src"] })'),
            "the limit fs.inotify.max_user_watches is reached; "
            "`sudo sysctl fs.inotify.max_user_watches=524288` raises it",
        ),
        (
            WatchfilesRustInternalError("Error creating recommended watcher: Too many open files (os error 24)"),
            "the limit fs.inotify.max_user_instances is reached; "
            "`sudo sysctl fs.inotify.max_user_instances=1024` raises it",
        ),
        (
            WatchfilesRustInternalError(
                "Error creating recommended watcher: Too many open files in system (os error 23)"
            ),
            "the limit fs.file-max is reached; `sudo sysctl fs.file-max=1048576` raises it",
        ),
        (OSError("weird"), "the system does not report file changes: weird"),
    ],
)
def test_a_refusal_names_its_cause_and_the_remedy(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise error

    monkeypatch.setattr(notifications, "RustNotify", refuse)
    with pytest.raises(NotificationsUnavailable) as found:
        Notifications().add(["/p/src"])
    assert str(found.value) == said


@pytest.mark.parametrize(
    "limits, remedy",
    [((256, 4096), "`ulimit -n 4096` raises it"), ((256, 256), "`sudo prlimit --nofile` raises it for a shell")],
)
def test_the_limit_of_this_process_is_not_blamed_on_inotify(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], remedy: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    said = notifications.limit_reached("Too many open files (os error 24)", lambda: False)
    assert said == f"the limit of open files of this process (`ulimit -n`: 256) is reached; {remedy}"
