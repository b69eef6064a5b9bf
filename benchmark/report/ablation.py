"""The table and the figure of an ablation, from its CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmark.files import write_whole
from benchmark.report.plots.style import BLACK, CEILING_LINE, GREY, LOOKS, PAGE_WIDTH, render, style

TITLES = {
    "paper": "From DeepGaze I to DeepGaze II, as the paper describes them (its Fig. 7)",
    "reference": "The recipe that ships",
    "training": "Training",
    "readout": "Readout",
    "prior": "Prior",
    "blur": "Gaussian",
    "layers": "Layers",
    "scale": "Scale of the image",
    "images": "Number of training images",
    "backbones": "Backbones and mixtures",
}

#: What a group's rows change beside what they are named for.
NOTES = {
    "paper": "Readouts of AlexNet are trained as DeepGaze I is here (6 epochs, softplus, a fifth "
    "of the channels left out), those of VGG-19 as `deepgaze2-paper` (15 epochs, rectified, none "
    "left out), so the step from one backbone to the other holds these differences, too.",
    "images": "Epochs are as many as with all images, so that fewer images also mean fewer steps.",
}


def write_ablation(folder: Path, table: pd.DataFrame) -> list[Path]:
    """Write README.md and figures/ablation.{pdf,png} into the folder of an ablation."""
    return [
        write_whole(folder / "README.md", markdown(table)),
        *draw(table, folder / "figures"),
    ]


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown, one section a group."""
    first = table.iloc[0]
    without = ", a dash where that cannot be told from 0" if table["explained"].isna().any() else ""
    lines = [
        "# What each part contributes",
        "",
        "One readout is trained for each row and test fold, unless the row says otherwise. "
        "Information gain (IG) is in bits per fixation over the centre bias, on "
        f"{first.n_images} images ({first.n_fixations} fixations) that the readout never saw; "
        f"*explained* is its share of the gold standard's gain{without}. "
        "95 % intervals are bootstraps over images: they do not cover the chance of a training, "
        "which may be as large as the smaller differences.",
        "",
        "The command that remakes this folder is in `ablation.json`; `--only` takes the names in "
        "the first column.",
        "",
        "![All variations](figures/ablation.png)",
    ]
    for group in dict.fromkeys(table["group"]):
        rows = table[table["group"] == group]
        lines += ["", f"## {TITLES.get(group, group)}", ""]
        if group in NOTES:
            lines += [NOTES[group], ""]
        lines += ["| name | variation | IG | explained | difference from the recipe that ships |"]
        lines += ["| --- | --- | ---: | ---: | ---: |"]
        for row in rows.itertuples():
            difference = ""
            if group != "reference" and pd.notna(row.difference):
                difference = (
                    f"{row.difference:+.3f} ({row.difference_low:+.3f} to "
                    f"{row.difference_high:+.3f})"
                )
            lines.append(
                f"| `{row.variation}` | {row.description} | "
                f"{row.gain:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f}) | "
                f"{_explained(row.explained)} | {difference} |"
            )
    return "\n".join(lines).replace("-0.", "−0.") + "\n"


def _explained(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f} %"


def draw(table: pd.DataFrame, folder: Path, name: str = "ablation") -> list[Path]:
    """A dot with its interval for each variation, groups apart, as ``name``.pdf and .png."""
    groups = list(dict.fromkeys(table["group"]))
    with style():
        height = 0.16 * (len(table) + 1.1 * len(groups)) + 0.5
        figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
        axes = figure.subplots()
        position, ticks, names = 0.0, [], []
        reference = table.loc[table["group"] == "reference", "gain"]
        if len(reference):
            axes.axvline(reference.iloc[0], color=CEILING_LINE, linewidth=0.7, linestyle="--")
        for group in groups:
            axes.annotate(
                TITLES.get(group, group), (0, position), xycoords=axes.get_yaxis_transform(),
                xytext=(3, 0), textcoords="offset points", va="center", color=GREY, fontsize=6.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
            position += 1
            for row in table[table["group"] == group].itertuples():
                axes.plot([row.ci_low, row.ci_high], [position] * 2, color=BLACK, linewidth=0.8)
                axes.plot(row.gain, position, "o", color=LOOKS["model"].face, markersize=4)
                axes.annotate(
                    _explained(row.explained), (1, position),
                    xycoords=axes.get_yaxis_transform(), xytext=(30, 0),
                    textcoords="offset points", ha="right", va="center_baseline",
                )  # fmt: skip
                ticks.append(position)
                names.append(row.description)
                position += 1
        axes.set_yticks(ticks, names)
        axes.set_ylim(position - 0.3, -0.7)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("information gain (bits per fixation); right: explained")
        return [
            write_whole(folder / f"{name}.{extension}", render(figure, extension))
            for extension in ("pdf", "png")
        ]
