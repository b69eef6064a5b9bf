"""Sums in one order: PyTorch's depend on the number of threads in the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes in one thread, so that a machine with more cores gives the same bytes.

    Matrix products and sums over all pixels are cut up by threads. Convolutions are not, in which
    most of a prediction's time is spent; they stay outside.
    """
    before = torch.get_num_threads()  # asking ends a thread's setup, which would undo the next line
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
