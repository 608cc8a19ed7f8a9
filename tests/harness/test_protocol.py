"""The protocol as bytes: commands made, replies taken apart, whatever way the bytes arrive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.errors import LinkError
from edgec.harness.protocol import CHUNK, COMMAND_MAX, Decoder, Reply, command, dump_rows, load_commands

STREAM = (
    b"m-timestamp-mode-performance\r\nm-lap-us-12\r\nm-init-done\r\nm-ready\r\n"
    b"m-results-[0.012,0.988]\r\nm-ready\r\ne-[Unknown command: x]\r\nm-ready\r\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_replies_do_not_depend_on_how_bytes_arrive(cuts: list[int]) -> None:
    decoder = Decoder()
    edges = [0, *sorted(cuts), len(STREAM)]
    replies = [reply for a, b in itertools.pairwise(edges) for reply in decoder.feed(STREAM[a:b])]
    assert [len(reply.lines) for reply in replies] == [3, 1, 1]
    assert replies[1].value("m-results-") == "0.012,0.988"
    assert replies[2].error == "e-[Unknown command: x]"


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    decoder = Decoder()
    decoder.feed(data)
    decoder.feed(b"\r\n")
    assert decoder.feed(b"m-ready\r\n")


@given(st.binary(min_size=1, max_size=200))
def test_load_commands_carry_every_byte(data: bytes) -> None:
    first, *rest = load_commands(data)
    assert first == f"db load {len(data)}%".encode()
    assert all(len(line) <= COMMAND_MAX + 1 for line in rest)
    assert b"".join(bytes.fromhex(line[3:-1].decode()) for line in rest) == data
    assert len(rest) == -(-len(data) // CHUNK)


def test_a_command_may_not_be_too_long() -> None:
    with pytest.raises(LinkError):
        command("db", "0" * COMMAND_MAX)


def test_missing_and_damaged_values_name_what_came() -> None:
    with pytest.raises(LinkError, match="Unknown"):
        Reply(("e-[Unknown command: edgec]",)).value("m-crc-")
    with pytest.raises(LinkError, match="damaged"):
        Reply(("m-lap-us-1x",)).numbers("m-lap-us-")


def test_dump_rows() -> None:
    assert dump_rows(Reply(("m-dump-1-2-64-0aff",))) == [(1, 2, 64, b"\x0a\xff")]
