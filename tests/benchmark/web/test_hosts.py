"""Whose name the service answers to."""

from __future__ import annotations

import pytest

from benchmark.errors import BenchmarkError
from benchmark.web import app
from benchmark.web.hosts import is_answered
from benchmark.web.serve import serve
from benchmark.web.settings import Settings


@pytest.mark.parametrize(
    ("header", "hosts", "expected"),
    [
        ("localhost", ["localhost"], True),
        ("LocalHost:8000", ["localhost"], True),
        ("localhost.evil.example", ["localhost"], False),
        ("[::1]:8000", ["[::1]"], True),
        ("[::1", ["[::1]"], False),
        ("a.gaze.example", ["*.gaze.example"], True),
        ("gaze.example", ["*.gaze.example"], False),
        ("evilgaze.example", ["*.gaze.example"], False),
        ("Gaze.example", ["GAZE.example"], True),
        ("", ["localhost", ""], False),
        ("", ["*"], True),
    ],
)
def test_hosts(header, hosts, expected):
    assert is_answered(header, hosts) is expected


@pytest.mark.parametrize(
    ("host", "header", "hosts"),
    [("127.0.0.2", "127.0.0.2:8000", Settings.hosts), ("::1", "[::1]:8000", ("gaze.example",)),
     ("gaze.lan", "gaze.lan", ("gaze.example",)), ("0.0.0.0", "any.example", Settings.hosts)],
)  # fmt: skip
def test_the_address_that_is_bound_is_answered(monkeypatch, host, header, hosts):
    used = []

    def create_app(settings):
        used.append(settings)
        raise BenchmarkError("enough")

    monkeypatch.setattr(app, "create_app", create_app)
    with pytest.raises(BenchmarkError, match="enough"):
        serve(host, 8000, Settings(hosts=hosts))
    assert is_answered(header, used[0].hosts)
