"""Two jobs over one, as a table and in words."""

from __future__ import annotations

from benchmark.scaling.markdown import table
from benchmark.scaling.models import ROUNDS
from benchmark.scaling.table import RATIOS, Curves

#: Ratio of two jobs over one that is aimed at on two idle cores.
AIM = 1.7
#: What the models of known cost are called on the page.
NAMES = {"cheap": "cheap", "middle": "of middling cost", "dear": "expensive"}


def section(measured: Curves) -> str:
    """The text below the heading."""
    speedups = measured.speedups()
    if speedups.empty:
        return "Not measured yet."
    rows = [
        (
            f"{NAMES[row.cost]} (`{row.cost}`)",
            f"{1e3 * row.prediction:.1f}",
            f"{1e3 * row.image:.1f}",
            *(f"{getattr(row, name):.2f}" for name in RATIOS),
            f"{row.lowest:.2f} to {row.highest:.2f}",
            f"{row.start:.1f}",
        )
        for row in speedups.itertuples()
    ]
    header = [
        "Model", "ms a prediction", "ms an image", *RATIOS.values(), "scoring, turn by turn",
        "start of workers, s",
    ]  # fmt: skip
    last = speedups.iloc[-1]
    turns, rounds = int(last["turns"]), ROUNDS[str(last["cost"])]
    loads = measured.select("jobs", "load")["amount"]
    text = (
        f"The {NAMES[str(last['cost'])]} model (`{last['cost']}`) blurs an image "
        f"{_times(rounds)} and computes on one core. "
        + (
            f"One job and two took {turns} turns each, one after the other; a ratio is that of "
            "the least seconds of all turns. "
            if turns > 1
            else "One job and two were measured once each. "
        )
        + f"On two idle cores at least {AIM} is aimed at for scoring (images a second), when "
        "the workers are there; their start is within mean predictions. The whole run holds "
        "what is not shared out: imports, fits, statistics and figures, about as long for few "
        f"images as for many. The load before these runs was {loads.min():.1f} or more."
    )
    if max(speedups["highest"].max(), speedups["scoring"].max()) > 2:
        text += (
            " Two jobs cannot do more than twice the work of one: a ratio above 2 is chance, as "
            "the speed of cores differs from run to run; and with one job, the process that "
            "scores also writes the scores and waits for the disk, which with two a third does."
        )
    return f"{table(header, rows)}\n\n{text}"


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"{rounds} times over"
