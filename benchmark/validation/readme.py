"""What was measured, in words and tables; every number comes from the measurement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from benchmark.validation import coverage as intervals
from benchmark.validation.convergence import Convergence, summarise
from benchmark.validation.coverage import IMAGES, IMAGES_AND_OBSERVERS, Coverage


def text(
    gains: pd.DataFrame,
    covered: pd.DataFrame,
    observers: Convergence,
    images: Coverage,
    command: str,
) -> str:
    """The README of the results folder, in Markdown.

    Args:
        gains: from ``convergence.measure`` with the plan ``observers``.
        covered: from ``coverage.measure`` with the plan ``images``.
        command: remakes the folder.
    """
    parts = [
        "# Validation on simulated observers",
        _paragraph(
            """Observers are simulated from known densities, so the true values are known. Remake
            this folder with"""
        ),
        f"```\n{command}\n```",
        *_convergence(gains, observers),
        *_coverage(covered, images),
    ]
    return "\n\n".join(parts) + "\n"


def _convergence(gains: pd.DataFrame, plan: Convergence) -> list[str]:
    summary = summarise(gains)
    last, usual = summary.iloc[-1], summary[summary["observers"] <= 16].iloc[-1]
    below = int((gains["gold"] < gains["truth_sample"]).sum())
    elsewhere_below = int((gains["gold_elsewhere"] < gains["truth_sample"]).sum())
    in_sample_above = int((gains["in_sample"] > gains["truth_sample"]).sum())
    gap = -summary["gold_minus_truth"]
    slope = np.polyfit(np.log(summary["observers"][-3:]), np.log(gap[-3:]), 1)[0]
    height, width = plan.shape
    table = _table(
        [
            "observers", "true IG", "gold − truth", "gold, parameters from elsewhere − truth",
            "in-sample − truth", "gold − exact truth", "gold / truth", "bandwidth (px)",
        ],
        (
            [
                f"{row.observers:.0f}",
                f"{row.truth:.3f}",
                _signed(row.gold_minus_truth, row.gold_minus_truth_se),
                _signed(row.gold_elsewhere_minus_truth, row.gold_elsewhere_minus_truth_se),
                _signed(row.in_sample_minus_truth, row.in_sample_minus_truth_se),
                _signed(row.gold_minus_exact, row.gold_minus_exact_se),
                f"{100 * row.explained:.0f} %",
                f"{row.bandwidth:.1f}",
            ]
            for row in summary.itertuples()
        ),
    )  # fmt: skip
    return [
        "## The gold standard approaches the truth from below",
        _paragraph(
            f"""Each subject is predicted from the others (`gold`), with bandwidth and weights
            fitted to the same fixations, on {plan.scenes} scenes of {width}x{height} pixels
            with {plan.fixations_per_trial:g} fixations a trial on average. Information gain
            (IG) is in bits per fixation over the centre bias of the other images. Means over
            {plan.repeats} repeats, each with scenes and observers of its own, ± standard
            error."""
        ),
        table,
        _paragraph(
            """*True IG*: exact expectation for the population density, a sum over all pixels. *−
            truth*: paired difference to the population density on the same fixations, whose
            expectation is the difference to the true IG. *gold / truth*: their ratio on the
            same fixations. *− exact truth*: difference to the true IG itself; its error is
            larger because a few observers are not the population."""
        ),
        _paragraph(
            f"""*Parameters from elsewhere*: bandwidth, weights and the centre bias mixed in come
            from other scenes and other observers, so that nothing was fitted to the scored
            fixations. The baseline's bandwidth and uniform weight were fitted once, to
            {plan.centerbias_observers} observers of other scenes."""
        ),
        _paragraph(
            f"""The gold standard was below the truth in {below} of {len(gains)} comparisons on the
            same fixations ({elsewhere_below} with parameters from elsewhere). Its shortfall
            falls to {gap.iloc[-1]:.3f} bits at {last.observers:.0f} observers, with a slope of
            {_minus(f"{slope:.2f}")} in log-log coordinates over the last three rows; −2/3 is
            the best asymptotic rate of a kernel density in two dimensions. It is a lower bound
            on what can be explained: relative to it, a model that knew the truth would explain
            {100 / last.explained:.0f} % of information gain with {last.observers:.0f}
            observers, and {100 / usual.explained:.0f} % with {usual.observers:.0f}."""
        ),
        _paragraph(
            f"""The in-sample bound was above the truth in {in_sample_above} of {len(gains)}
            comparisons, by {last.in_sample_minus_truth:.3f} bits at {last.observers:.0f}
            observers on average: the truth lies between the two."""
        ),
        "![Information gain relative to the truth by number of observers](convergence.png)",
        _paragraph(
            """`convergence.csv` has a row for each repeat and number of observers. In the figure,
            error bars are 95 % intervals over repeats."""
        ),
    ]


def _coverage(covered: pd.DataFrame, plan: Coverage) -> list[str]:
    same = covered[covered["population"] == IMAGES]
    other = covered[covered["population"] == IMAGES_AND_OBSERVERS]
    ours = same[same["interval"] == "expanded"]
    plain = same[same["interval"] == "percentile"]
    few, many = min(plan.n_images), max(plan.n_images)
    noise = 100 * np.sqrt(0.95 * 0.05 / plan.repeats)
    fresh_noise = 100 * np.sqrt(0.5 * 0.5 / plan.fresh_repeats)
    least = _at(ours, many).min()
    worst = ours.loc[ours["coverage"].idxmin()]
    truth = ours[(ours["quantity"] == "IG truth") & (ours["n_images"] == many)].iloc[0]
    lost = other[
        (other["interval"] == "expanded")
        & (other["quantity"] == "IG truth")
        & (other["n_images"] == many)
    ].iloc[0]
    error = truth["width"] / (2 * 1.96)
    height, width = plan.shape
    return [
        "## Intervals cover other images, not other observers",
        _paragraph(
            f"""95 % bootstrap intervals over images, as the suite computes them but with
            {plan.draws} draws, for data sets of N images and {plan.panel} observers. Images
            are drawn with replacement from a pool of {plan.pool} scenes of {width}x{height}
            pixels, seen by {plan.panel * plan.panels} observers. The pool is the population:
            its own values are the true ones, without error. Baseline, models and the gold
            standard's parameters are fixed, so the dependence between images that fitting them
            to the scored images brings is not tested here."""
        ),
        _paragraph(
            f"""Models: `truth`, the population density; `blurred`, the same after a Gaussian of
            {intervals.BLUR:g} pixels; `wrong`, half another scene's density, half the
            baseline; `gold`, leave-one-subject-out. *IG* is per fixation, *explained* is its
            ratio to that of `gold`. Coverage in per cent, in brackets that of the plain
            percentile interval."""
        ),
        _paragraph(
            f"""**Same observers, other images** ({plan.repeats} data sets for each N;
            {plan.panels} groups of observers, each with its own true value; standard error
            {noise:.1f} points). This is what the intervals claim."""
        ),
        _coverage_table(same, plan.n_images),
        _paragraph(
            f"""Coverage is between {_percent(ours["coverage"].min())} and
            {_percent(ours["coverage"].max())} %, and at least {_percent(least)} % for N =
            {many}. It is lowest for *{worst["quantity"]}* at N = {worst["n_images"]}, where
            {_percent(worst["missed_below"])} % of the intervals lie below the true value and
            {_percent(worst["missed_above"])} % above it; a skewed quantity's tail is what a
            small sample lacks. The plain percentile interval is as low as
            {_percent(plain["coverage"].min())} %, and at N = {few} it covers
            {_percent((_at(ours, few) - _at(plain, few)).mean())} points less on average."""
        ),
        _paragraph(
            f"""**Other observers, other images** ({plan.fresh_repeats} data sets for each N, each
            with {plan.panel} observers drawn for it; the true value is that of all observers;
            standard error up to {fresh_noise:.1f} points). This is what the intervals do *not*
            claim."""
        ),
        _coverage_table(other, plan.n_images),
        _paragraph(
            f"""With {many} images, the interval for the information gain of `truth` holds the
            value for all observers in {_percent(lost["coverage"])} % of the data sets: the
            true values of groups of {plan.panel} observers have a standard deviation of
            {truth["true_sd"]:.3f} bits, while the interval is made for one of {error:.3f}
            bits, that of the images. More images do not help, more observers do. The size of
            the effect depends on how much observers differ, which is an assumption of the
            simulation; that intervals over images say nothing of other observers is not."""
        ),
        "![Coverage by number of images](coverage.png)",
        _paragraph(
            """`coverage.csv` has a row for each population, N, quantity and kind of interval,
            with the true value, how often the interval lay below or above it, and its mean
            width. In the figure, the grey band is where 95 % of measurements of an exact
            interval would lie."""
        ),
    ]


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _minus(number: str) -> str:
    return number.replace("-", "−")


def _at(rows: pd.DataFrame, n_images: int) -> pd.Series:
    return rows[rows["n_images"] == n_images].set_index("quantity")["coverage"]


def _coverage_table(rows: pd.DataFrame, n_images: Sequence[int]) -> str:
    cells = rows.pivot_table(
        index="quantity", columns=["n_images", "interval"], values="coverage", sort=False
    )
    return _table(
        ["quantity", *(f"N = {n}" for n in n_images)],
        (
            [
                quantity,
                *(
                    f"{_percent(row[n, 'expanded'])} ({_percent(row[n, 'percentile'])})"
                    for n in n_images
                ),
            ]
            for quantity, row in cells.iterrows()
        ),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(value: float, error: float) -> str:
    return _minus(f"{value:+.3f} ± {error:.3f}")
