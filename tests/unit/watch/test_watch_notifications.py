"""What is said when the kernel refuses to watch."""

from __future__ import annotations

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
