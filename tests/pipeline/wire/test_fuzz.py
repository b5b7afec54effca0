"""Whatever the bytes: a message or a WireError. FUZZ_FRAMES=1000000 in the environment fuzzes for long."""

import os
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.client import Subscription
from pipeline.wire import WireError, decode
from tests.pipeline.wire.test_wire import VECTORS

FRAMES = int(os.environ.get("FUZZ_FRAMES", "4000"))


def damaged(rng: random.Random) -> list[bytes]:
    """A golden message after a few hostile edits: bytes, lengths, parts, mixed kinds."""
    parts = list(map(bytearray, rng.choice(list(VECTORS.values()))))
    for _ in range(rng.randint(1, 4)):
        if not parts:
            break
        i = rng.randrange(len(parts)) if rng.random() < 0.5 else min(1, len(parts) - 1)
        edit = rng.randrange(7)
        if edit == 0 and parts[i]:
            parts[i][rng.randrange(len(parts[i]))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif edit == 1 and parts[i]:
            start = rng.randrange(len(parts[i]))
            parts[i][start : start + 4] = rng.choice(
                (b"\xff\xff\xff\xff", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\0\0")
            )
        elif edit == 2:
            parts[i] = parts[i][: rng.randrange(len(parts[i]) + 1)]
        elif edit == 3:
            parts[i] = parts[i] + rng.randbytes(rng.randrange(300))
        elif edit == 4:
            del parts[i]
        elif edit == 5:
            parts.insert(i, bytearray(parts[i]))
        else:
            parts[i] = bytearray(rng.choice(list(VECTORS.values()))[rng.randrange(3)])
    return [bytes(part) for part in parts]


def test_damaged_messages_never_crash_decoder_or_client():
    rng = random.Random(FRAMES)
    outcomes = {"message": 0, "refused": 0}
    with Subscription("tcp://127.0.0.1:1") as subscription:
        for _ in range(FRAMES):
            parts = damaged(rng)
            try:
                message = decode(parts)
            except WireError:
                outcomes["refused"] += 1
            else:
                outcomes["message"] += 1
                for body in getattr(message, "bodies", ()):
                    assert np.isfinite(body.translation).all()
                    np.testing.assert_allclose(np.linalg.norm(body.rotations, axis=1), 1, atol=1e-5)
            subscription.receive(parts)
        assert subscription.stats.malformed == outcomes["refused"]
    assert min(outcomes.values()) > FRAMES // 50, outcomes


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=400), max_size=6))
def test_noise_is_refused(parts):
    try:
        decode(parts)
    except WireError:
        return
    raise AssertionError(f"noise was taken for a message: {parts}")


@settings(max_examples=300)
@given(st.sampled_from(sorted(VECTORS)), st.data())
def test_noise_behind_a_valid_topic_never_crashes(name, data):
    topic, header, *rest = VECTORS[name]
    noisy = header[:4] + data.draw(st.binary(min_size=len(header) - 4, max_size=len(header) - 4))
    try:
        decode([topic, noisy, *rest])
    except WireError as error:
        assert str(error)
