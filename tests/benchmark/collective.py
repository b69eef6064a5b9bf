"""What processes tell each other, without any training; test_distributed.py starts several.

FOLDER says where they write; KILLED=RANK kills one of them when it starts for the first time.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from benchmark.distributed import joined
from benchmark.errors import BenchmarkError


def main() -> None:
    with joined() as ranks:
        first_start = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if first_start and os.environ["KILLED"] == str(ranks.rank):
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            folder = Path(os.environ["FOLDER"])
            for count in (0, 1, 7):
                found = ranks.gather([item * item for item in ranks.share(range(count))])
                assert found == ([n * n for n in range(count)] if ranks.is_first else None)
            # as on two machines, each with one process
            apart = type(ranks)(ranks.rank, ranks.world, 0, 1, True)
            assert apart.sees(folder / "together")
            assert not apart.sees(folder / f"of-{ranks.rank}")
            assert ranks.sees(folder / f"of-{ranks.rank}")
            ranks.wait()
            (folder / f"done-{ranks.rank}").touch()
        except BenchmarkError as error:
            (folder / f"told-{ranks.rank}").write_text(str(error))
            raise


if __name__ == "__main__":
    main()
