"""The look of all figures: sizes, fonts, colours, and files that depend on the scores alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmark.report import notes
from benchmark.report.results import Results

COLUMN_WIDTH = 3.35  # inches: one column of a two-column page
PAGE_WIDTH = 6.9  # inches: both columns
DPI = 300

BLACK = "#000000"
GREY = "#595959"
LIGHT_GREY = "#BDBDBD"


@dataclass(frozen=True)
class Look:
    """How models of one kind are drawn; kinds differ in lightness, marker and hatch, too."""

    face: str
    edge: str
    marker: str
    hatch: str


# Okabe and Ito's colours: told apart by colour-blind readers; sky blue and blue differ in grey, too
LOOKS = {
    "baseline": Look(face="#A9D8F3", edge="#2C7FB0", marker="s", hatch="////"),
    "model": Look(face="#0072B2", edge="#0072B2", marker="o", hatch=""),
    "ceiling": Look(face="#FFFFFF", edge=BLACK, marker="D", hatch=""),
}
CEILING_LINE = "#D55E00"

_PARAMETERS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that figures agree on all machines
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 4,
    "axes.labelpad": 2,
    "axes.unicode_minus": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "lines.linewidth": 0.8,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # names may contain dollar signs
    "pdf.fonttype": 42,  # publishers refuse Type 3 fonts
    "svg.hashsalt": "benchmark",
    "savefig.dpi": DPI,
}


@contextmanager
def style() -> Iterator[None]:
    """Everything drawn and saved inside looks the same, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_PARAMETERS)
        yield


def new_figure(results: Results, width: float, height: float) -> Figure:
    """An empty figure, in inches, labelled where its scores need a label."""
    labels = " · ".join(notes.figure_labels(results))
    strip = 0.13 if labels else 0.0
    figure = Figure(figsize=(width, height + strip), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(  # type: ignore[call-arg]
        w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02, rect=(0, 0, 1, height / (height + strip))
    )
    if labels:
        x, y = 1 - 0.03 / width, 1 - 0.03 / (height + strip)
        label = figure.text(
            x, y, labels, ha="right", va="top", fontsize=6, fontstyle="italic", color=GREY
        )
        label.set_in_layout(False)  # it has its own strip above the layout's rectangle
    return figure


def render(figure: Figure, extension: str, dpi: int = DPI) -> bytes:
    """The figure as the bytes of a "pdf", "png" or "svg" file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # dates and versions would change the bytes without a change of scores
    fields = {
        "pdf": ("CreationDate", "Creator", "Producer"),
        "png": ("Software",),
        "svg": ("Creator", "Date"),
    }[extension]
    with style():
        figure.savefig(buffer, format=extension, dpi=dpi, metadata=dict.fromkeys(fields))
    figure.set_layout_engine("none")  # other formats have the same layout, without its cost
    return buffer.getvalue()


def short_names(names: Sequence[str], length: int) -> list[str]:
    """Names of at most ``length`` characters, shortened in the middle, and still distinct."""
    shortened: list[str] = []
    for name in names:
        name = " ".join(name.split())
        short, number = _shorten(name, length, ""), 2
        while short in shortened:
            short, number = _shorten(name, length, f" ({number})"), number + 1
        shortened.append(short)
    return shortened


def _shorten(name: str, length: int, suffix: str) -> str:
    if len(name) + len(suffix) <= length:
        return name + suffix
    room = length - len(suffix) - 1
    head = (room + 1) // 2
    return f"{name[:head].rstrip()}…{name[len(name) - (room - head) :].lstrip()}{suffix}"
