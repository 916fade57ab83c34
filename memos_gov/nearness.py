"""
How near vectors are, the same for every index: cosines, and the seal of a vector.

Deliberately not here: where vectors lie, and what makes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DIGITS = 5  # of a cosine; the ones after depend on how a product was added up
_NUMBERS = "<f4"


def cosines(vectors: Sequence[bytes], wanted: bytes) -> npt.NDArray[np.float64]:
    """Return the cosine of each vector with one of the same length."""
    one = np.frombuffer(wanted, _NUMBERS)
    matrix = np.frombuffer(b"".join(vectors), _NUMBERS).reshape(len(vectors), len(one))
    found: npt.NDArray[np.float64] = np.round((matrix @ one).astype(np.float64), DIGITS)
    return found


def numbers_of(vector: bytes) -> list[float]:
    """Return what a vector is made of."""
    found: list[float] = np.frombuffer(vector, _NUMBERS).tolist()
    return found


def vector_of(numbers: Sequence[float]) -> bytes:
    """Return a vector by what it is made of."""
    return np.asarray(numbers, _NUMBERS).tobytes()


def seal_of(tenant: str, cube: str, revision: int, model: str, vector: bytes) -> bytes:
    """
    Return what vouches for a vector: whose it is, of which revision and model, and its bytes.

    An examiner finds by it a byte that changed, without running the model.
    """
    whose = repr((tenant, cube, revision, model)).encode(errors="surrogatepass")
    return hashlib.sha256(whose + vector).digest()[:16]
