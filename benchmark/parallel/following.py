"""Workers end with the run that started them."""

from __future__ import annotations

import os
import threading
import time

_following = False


def follow(parent: int) -> None:
    """End this process when the one that started it is gone, even if that was killed outright."""
    global _following
    if _following or os.getpid() == parent:
        return
    _following = True

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
