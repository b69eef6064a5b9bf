"""Questions to the table of measured runs and the table of parts."""

from __future__ import annotations

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.scaling.laws import Law, linear_law, power_law

#: Ratios of two jobs over one.
RATIOS = {
    "scoring": "scoring", "predictions": "mean predictions and scoring", "whole": "whole run",
}  # fmt: skip


class Curves:
    """What was measured.

    Args:
        runs: scaling.csv. parts: parts.csv.
    """

    def __init__(self, runs: pd.DataFrame, parts: pd.DataFrame):
        self.runs = runs.assign(pixels=runs["width"] * runs["height"])
        self.parts = parts

    def select(self, axis: str, quantity: str, part: str = "all", **equal: object) -> pd.DataFrame:
        """Rows of one part, the least of all repeats, by what grows along the axis."""
        rows = self.runs
        wanted = {"axis": axis, "quantity": quantity, "part": part, **equal}
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        keys = ["images", "pixels", "subjects", "fixations", "models", "jobs", "cost"]
        return rows.groupby(keys, as_index=False)[["amount", "calls"]].min()

    def law(self, axis: str, grows: str, quantity: str, part: str = "all") -> Law:
        """How an amount grows along an axis."""
        rows = self.select(axis, quantity, part)
        return power_law(rows[grows], rows["amount"])

    def per_call(self, part: str) -> Law:
        """Seconds of one call by pixels of the image."""
        rows = self.select("size", "scoring", part)
        return linear_law(rows["pixels"], rows["amount"] / rows["calls"])

    def per_image(self, quantity: str, part: str) -> Law:
        """Seconds of one image by its pixels."""
        rows = self.select("size", quantity, part)
        return linear_law(rows["pixels"], rows["amount"] / rows["images"])

    def of_part(self, part: str, column: str = "seconds", linear: bool = False) -> Law:
        """How a part alone grows, in "seconds", or "bytes" by a straight line.

        Raises:
            BenchmarkError: the part was measured less than twice.
        """
        rows = self.parts[self.parts["part"] == part]
        if len(rows) < 2:
            raise BenchmarkError(
                f"parts.csv: expected two rows or more of {part!r}, found {len(rows)}: measure "
                "what is missing with --resume."
            )
        if column == "bytes":
            return linear_law(rows["n"], rows[column], relative=False)
        return (linear_law if linear else power_law)(rows["n"], rows[column])

    def metrics(self) -> list[str]:
        """Names of the metrics that were timed."""
        parts = self.runs.loc[self.runs["quantity"] == "scoring", "part"].unique()
        return [part.removeprefix("metric ") for part in parts if part.startswith("metric ")]

    def speedups(self) -> pd.DataFrame:
        """Two jobs over one, by the cost of the model: ratios of the least seconds of all turns.

        Ratios are of scoring, of mean predictions and scoring, and of the whole run; ``lowest`` and
        ``highest`` are those of scoring within a turn.
        """
        rows = self.runs[self.runs["axis"] == "jobs"]
        by = ["cost", "repeat", "jobs"]
        scored, mean, whole = (
            rows[(rows["quantity"] == quantity) & (rows["part"] == part)].set_index(by)["amount"]
            for quantity, part in (
                ("phase", "scoring"), ("phase", "mean predictions"), ("wall", "all"),
            )
        )  # fmt: skip
        parts = {"scoring": scored, "predictions": scored + mean, "whole": whole, "mean": mean}
        one, two = (
            pd.DataFrame({name: part[part.index.get_level_values("jobs") == jobs].droplevel("jobs")
                          for name, part in parts.items()})
            for jobs in (1, 2)
        )  # fmt: skip
        turns = (one["scoring"] / two["scoring"]).dropna().groupby("cost", sort=False)
        one, two = (frame.groupby("cost", sort=False).min() for frame in (one, two))
        table = (one / two)[list(RATIOS)].assign(
            lowest=turns.min(),
            highest=turns.max(),
            turns=turns.size(),
            start=(two["mean"] - one["mean"] / 2).clip(lower=0.0),
        )
        for name, quantity, part, each in (
            ("prediction", "scoring", "model blur0", "calls"),
            ("image", "phase", "scoring", "images"),
        ):
            rows = self.select("jobs", quantity, part, jobs=1).set_index("cost")
            table[name] = rows["amount"] / rows[each]
        return table.dropna().reset_index()
