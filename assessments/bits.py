"""Chance is the raw bits of a generator and exactly rounded arithmetic: alike on every machine, with any numpy.

The distributions of numpy may change with its version, and its logarithms differ between processors.
"""

import math

import numpy as np
from numpy.typing import NDArray

from assessments.estimation import Floats

HEX_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
HEX_PLACES = [place for place in range(36) if place not in (8, 13, 18, 23)]

Integers = NDArray[np.uint64]
Milliseconds = NDArray[np.int64]  # since 1970


def uuid7(moments: Milliseconds, high: Integers, low: Integers) -> list[str]:
    """UUIDs of version 7 (RFC 9562): 48 bits of time, 4 of the version, 12 random, 2 of the variant, 62 random."""
    upper = (moments.astype(np.uint64) << np.uint64(16)) | np.uint64(0x7000) | (high & np.uint64(0x0FFF))
    lower = np.uint64(1 << 63) | (low >> np.uint64(2))
    octets = np.stack([upper, lower], axis=1).astype(">u8").view(np.uint8)
    text = np.full((len(octets), 36), ord("-"), dtype=np.uint8)
    text[:, HEX_PLACES] = HEX_DIGITS[np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, 32)]
    ids: list[str] = text.view("S36").ravel().astype("U36").tolist()
    return ids


def uniform(bits: Integers) -> Floats:
    """In [0, 1), as dense as a float can be."""
    return (bits >> np.uint64(11)).astype(np.float64) / 2**53


def normal(bits: Integers) -> Floats:
    """Near N(0, 1), never beyond ±3.5: the sum of four numbers of 16 bits, which no rounding can change."""
    parts = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
    total: Integers = np.sum(parts, axis=0)
    return (total.astype(np.float64) - 2 * 0xFFFF) * math.sqrt(3) / 0x10000
