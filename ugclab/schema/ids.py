"""Ids that sort by time: ULIDs, as at github.com/ulid/spec."""

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


def new_ulid() -> str:
    """Make 26 characters: 48 bits of milliseconds since 1970, then 80 random bits."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
