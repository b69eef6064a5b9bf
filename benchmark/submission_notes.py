"""The README of a submission: what is in it, what is uploaded where, what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark.rank_maps import JPEG_LARGEST, JPEG_MEAN
from benchmark.submission_check import TOLERANCE, WITH, WITHOUT


def _scoring(densities: str, without: bool, trained_on: Sequence[str]) -> list[str]:
    """Commands that score the files alone: densities by all metrics, maps by their ranks."""
    run = "python -m benchmark run --dataset IMAGES --fixations FIXATIONS.csv --models none"
    if trained_on:
        run += f" --trained-on {','.join(trained_on)}"
    plainly = "--kind saliency-map --maps naive --metrics"
    commands = [
        f"{run} --predictions {densities} --kind log-density",
        f"{run} --predictions jpeg/{WITH} {plainly} AUC",
    ]
    return commands + [f"{run} --predictions jpeg/{WITHOUT} {plainly} sAUC"] * without


def notes(manifest: dict[str, Any]) -> str:
    """Markdown text of a submission's ``manifest.json``."""
    model, images, found = manifest["model"], manifest["images"], manifest["read_back"]
    densities, maps = manifest["log_densities"], manifest["maps"]
    without = not maps[WITHOUT].startswith("none")
    rows = [
        (f"`{densities}`", "MIT/Tübingen Saliency Benchmark, as log densities, all metrics"),
        (f"`jpeg/{WITH}/`", "boards that take one grey map an image: AUC"),
    ]
    if without:
        rows.append((f"`jpeg/{WITHOUT}/`", "the same: shuffled AUC"))
    rows.append(("`png/`", "the same maps without loss, where PNG is accepted"))
    lines = [
        f"# {model['title']} on {images['folder']}",
        "",
        f"Predictions for {images['n_images']} images, made by",
        "",
        "```sh",
        manifest["command"],
        "```",
        "",
        "| Upload | To |",
        "| :-- | :-- |",
        *(f"| {what} | {where} |" for what, where in rows),
        "",
        f"`{densities}` holds natural logs of densities, float32, one data set an image, called "
        "like its file, as pysaliency's `HDF5Model` reads it. In the grey maps each of the "
        f"{manifest['settings']['grey_levels']} levels covers equally many pixels (ties share a "
        "level), so they keep ranks only: they are for AUC and shuffled AUC, not for NSS, CC, KL, "
        "SIM or information gain.",
        "",
    ]
    if not without:
        lines += [f"There are no maps without centre bias: {maps[WITHOUT].partition(': ')[2]}.", ""]
    lines += [
        "All files were read back, the densities by pysaliency:",
        "",
        f"- the log of a density's sum is off by {found['largest_logsumexp']:.1e} at most "
        f"(allowed {TOLERANCE:g});",
        f"- a JPEG's pixel is {found['jpeg_largest']} grey levels at most, on average "
        f"{found['jpeg_mean']:.2f}, from what was written (allowed {JPEG_LARGEST} and "
        f"{JPEG_MEAN}), its rank correlation with that {found['jpeg_rank_correlation']:.6f} or "
        "more.",
        "",
        "`manifest.json` holds versions, and hashes of the model, of every image and of every "
        "file.",
        "",
        "Whoever has the fixations, in a CSV file with the columns `image,subject,x,y`, scores "
        "these files as boards do with, in this folder,",
        "",
        "```sh",
        *_scoring(densities, without, model["trained_on"]),
        "```",
        "",
        "where a map's scores are those of the row that ends in `:plain`.",
    ]
    return "\n".join(lines) + "\n"
