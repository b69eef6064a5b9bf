"""Questions to the table of measured runs and the table of parts."""

from __future__ import annotations

import pandas as pd

from benchmark.scaling.laws import Law, linear_law, power_law


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
        """How a part alone grows, in "seconds", or "bytes" by a straight line."""
        rows = self.parts[self.parts["part"] == part]
        if column == "bytes":
            return linear_law(rows["n"], rows[column], relative=False)
        return (linear_law if linear else power_law)(rows["n"], rows[column])

    def metrics(self) -> list[str]:
        """Names of the metrics that were timed."""
        parts = self.runs.loc[self.runs["quantity"] == "scoring", "part"].unique()
        return [part.removeprefix("metric ") for part in parts if part.startswith("metric ")]

    def speedups(self) -> pd.DataFrame:
        """Images scored in a second by two jobs over one, by the cost of the model."""
        rows = []
        for cost in self.runs.loc[self.runs["axis"] == "jobs", "cost"].unique():
            scoring = self.select("jobs", "phase", "scoring", cost=cost).set_index("jobs")
            model = self.select("jobs", "scoring", "model blur0", cost=cost).set_index("jobs")
            mean = self.select("jobs", "phase", "mean predictions", cost=cost).set_index("jobs")
            if not {1, 2} <= set(scoring.index):
                continue
            rows.append(
                {
                    "cost": cost,
                    "prediction": model["amount"][1] / model["calls"][1],
                    "image": scoring["amount"][1] / scoring["images"][1],
                    "ratio": scoring["amount"][1] / scoring["amount"][2],
                    "start": max(0.0, mean["amount"][2] - mean["amount"][1] / 2),
                }
            )
        return pd.DataFrame(rows, columns=["cost", "prediction", "image", "ratio", "start"])
