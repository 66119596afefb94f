"""What the environment sets for a host."""

from __future__ import annotations

import math

import pytest

from sbxcompose.host.base import settings


@pytest.mark.parametrize(
    "value, seconds", [("", 600.0), ("1.5", 1.5), ("-1", 0.0), ("never", math.inf), ("soon", 600.0)]
)
def test_the_idle_timeout(value: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBXCOMPOSE_HOST_IDLE", value)
    assert settings.idle_seconds() == seconds


def test_an_idle_timeout_that_is_not_a_number_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBXCOMPOSE_HOST_IDLE", "soon")
    settings.idle_seconds()
    assert "ignoring SBXCOMPOSE_HOST_IDLE: expected a number of seconds or `never`" in capsys.readouterr().err


@pytest.mark.parametrize("value, mode", [("", "auto"), ("auto", "auto"), ("none", "none"), ("overlay", "overlay")])
def test_the_isolation_of_sandboxes_of_programs(value: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBXCOMPOSE_ISOLATION", value)
    assert settings.isolation() == mode


def test_an_isolation_that_is_not_known_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SBXCOMPOSE_ISOLATION", "chroot")
    assert settings.isolation() == "auto"
    words = "ignoring SBXCOMPOSE_ISOLATION: invalid value `chroot`; expected `auto`, `none` or `overlay`\n"
    assert capsys.readouterr().err == words
