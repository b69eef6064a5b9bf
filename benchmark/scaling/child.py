"""A run whose profile counts seconds of a core, which other work does not lengthen.

``python -m benchmark.scaling.child run ...`` is else ``python -m benchmark run ...``.
"""

from __future__ import annotations

import time

from benchmark.cli import main
from benchmark.clock import Clock

if __name__ == "__main__":
    Clock.timer = staticmethod(time.process_time)
    main()
