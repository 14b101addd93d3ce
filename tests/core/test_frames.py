"""Frames: what goes in comes out, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, Table, decode, encode
from openoutcry.errors import FrameError

I8 = st.integers(-(2**63), 2**63 - 1)
U4 = st.integers(0, 2**32 - 1)
U2 = st.integers(0, 2**16 - 1)
I4 = st.integers(-(2**31), 2**31 - 1)


def table(dtype: np.dtype, *columns: st.SearchStrategy[int]) -> st.SearchStrategy[Table]:
    """Return a strategy for tables of `dtype`."""
    return st.lists(st.tuples(*columns), max_size=6).map(lambda rows: np.array(rows, dtype))


frames = st.builds(
    Frame,
    kind=st.sampled_from(FrameKind),
    made_time=I8,
    scales=table(SCALE, U4, U2, U2),
    marks=table(MARK, U4, U4, I8, I8, I8, I8),
    trades=table(TRADE, I8, I8, I8, I8, I8, U4, I4),
    body=st.binary(max_size=40),
)

SAMPLE = encode(
    Frame(
        FrameKind.VERIFIED,
        1_723_161_255_342_000,
        np.array([(7, 2, 5)], SCALE),
        np.array([(7, 0, 1, 2, 0, 0)], MARK),
        np.array([(5, 6, 1, 100, 200, 7, 1), (5, 6, 2, 101, 201, 7, -1)], TRADE),
        b"body",
    )
)


@given(frames)
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    """Every field of every frame survives the trip, bit for bit."""
    found = decode(encode(frame))
    assert (found.kind, found.made_time, found.body) == (frame.kind, frame.made_time, frame.body)
    for name in ("scales", "marks", "trades"):
        assert getattr(found, name).tobytes() == getattr(frame, name).tobytes()
        assert getattr(found, name).dtype == getattr(frame, name).dtype


@pytest.mark.parametrize("at", range(len(SAMPLE)))
def test_every_corrupted_byte_is_noticed(at: int) -> None:
    """Whichever single byte is changed, header included, in whichever way: a FrameError."""
    for flip in range(1, 256):
        broken = bytearray(SAMPLE)
        broken[at] ^= flip
        with pytest.raises(FrameError):
            decode(bytes(broken))


def test_every_truncation_and_excess_is_noticed() -> None:
    """A frame that lost its end, or has something after it, is a FrameError."""
    for length in range(len(SAMPLE)):
        with pytest.raises(FrameError):
            decode(SAMPLE[:length])
    with pytest.raises(FrameError):
        decode(SAMPLE + b"\0")


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_error(data: bytes) -> None:
    """Noise never raises anything but FrameError."""
    with pytest.raises(FrameError):
        decode(data)


def test_errors_name_what_is_wrong() -> None:
    """The reason that ends up on the dead-letter stream tells the kinds of damage apart."""
    with pytest.raises(FrameError, match="shorter"):
        decode(b"OC")
    with pytest.raises(FrameError, match="starts with"):
        decode(b"XX" + SAMPLE[2:])
    with pytest.raises(FrameError, match="version 9"):
        decode(SAMPLE[:2] + b"\x09" + SAMPLE[3:])
    with pytest.raises(FrameError, match="kind 99"):
        decode(SAMPLE[:3] + b"\x63" + SAMPLE[4:])
    with pytest.raises(FrameError, match="checksum"):
        decode(SAMPLE[:-1] + b"!")


def test_decoded_tables_are_read_only_views() -> None:
    """Nothing is copied, so nobody may write into the bytes that came from the bus."""
    with pytest.raises(ValueError, match="read-only"):
        decode(SAMPLE).trades["price"][0] = 1
