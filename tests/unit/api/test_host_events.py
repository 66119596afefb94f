"""The events of our own host, wherever their bytes are cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.host_events import HostEventDecoder
from sbxcompose.host.logs.lines import KEEP_ALIVE
from sbxcompose.host.routes.run import _event


@given(
    st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=3), max_size=5),
    st.lists(st.integers(0, 300), max_size=9),
)
def test_events_come_whole_wherever_they_are_cut(events: list[dict[str, str | int]], cuts: list[int]) -> None:
    wire = KEEP_ALIVE.join(map(_event, events))
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    decoder = HostEventDecoder()
    pieces = [wire[begin:end] for begin, end in pairwise(places)]
    assert [json.loads(data) for piece in pieces for data in decoder.feed(piece)] == events


def test_what_a_broken_connection_leaves_unfinished_is_dropped() -> None:
    assert HostEventDecoder().feed(b"data: 1\n\ndata: 2\n") == [b"1"]
