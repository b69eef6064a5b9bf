"""Fixtures for all tests: real data where there is any, and tiny data sets of every layout."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

REPOSITORY = Path(__file__).resolve().parents[1]
# pytest puts this folder first, where tests/benchmark would pass for the package benchmark.
sys.path.insert(0, str(REPOSITORY))

# Machines that test are often busy: how long an example takes says nothing.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Processes that test side by side (``-n``) share the cores; so do what they start."""
    if hasattr(config, "workerinput"):
        import threadpoolctl
        import torch

        threads = max(1, (os.cpu_count() or 1) // config.workerinput["workercount"])
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        torch.set_num_threads(threads)
        threadpoolctl.threadpool_limits(threads)


Row = Sequence[object]

# Fixations of the tiny data sets: image -> subject -> (x, y) in pixels of a 40x30 image.
TINY = {
    "a": {"amy": [(20, 15), (5, 6), (30, 20)], "bob": [(21, 14), (39, 29), (40, 10)]},
    "b": {"amy": [(19, 15), (8, 9)], "bob": [(20, 16)]},
}


@pytest.fixture(scope="session")
def data_root() -> Path:
    """A folder with real data sets: from BENCHMARK_DATA, or beside the repository."""
    named = os.environ.get("BENCHMARK_DATA", "").split(os.pathsep)
    beside = REPOSITORY.parent / "shared" / "data"
    for root in [*(Path(name) for name in named if name), beside]:
        if (root / "FixaTons").is_dir() or (root / "OSIE").is_dir():
            return root
    pytest.skip("needs real data: set BENCHMARK_DATA to a folder that holds FixaTons and OSIE")


@pytest.fixture
def real_folder(data_root: Path) -> Callable[[str], Path]:
    """``real_folder("OSIE")``: a folder of real data; the test is skipped without it."""

    def folder(name: str) -> Path:
        if not (data_root / name).is_dir():
            pytest.skip(f"needs real data: {name} below BENCHMARK_DATA")
        return data_root / name

    return folder


@pytest.fixture(scope="session")
def save_image() -> Callable[..., Path]:
    """``save_image(file, width=40, height=30, seed=0)``: an image of random grey blocks."""

    def save(file: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST).save(file)
        return file

    return save


@pytest.fixture
def make_fixatons(tmp_path: Path, save_image: Callable[..., Path]) -> Callable[..., Path]:
    """A folder in the layout of FixaTons that holds TINY."""

    def make(name: str = "TINY") -> Path:
        root = tmp_path / name
        for seed, (image, subjects) in enumerate(TINY.items()):
            save_image(root / "STIMULI" / f"{image}.jpeg", seed=seed)
            folder = root / "SCANPATHS" / image
            folder.mkdir(parents=True)
            for subject, fixations in subjects.items():
                rows = [f"{x} {y} {k / 2} {k / 2 + 0.25}" for k, (x, y) in enumerate(fixations)]
                (folder / subject).write_text("\n".join(rows) + "\n")
        return root

    return make


@pytest.fixture
def make_osie(tmp_path: Path, save_image: Callable[..., Path]) -> Callable[..., Path]:
    """A folder in the layout of OSIE that holds TINY."""

    def make(name: str = "TINY", stimuli: str = "stimuli", eye: str = ".") -> Path:
        root = tmp_path / name
        (root / eye).mkdir(parents=True)
        records = np.empty((len(TINY), 1), dtype=object)
        for n, (image, subjects) in enumerate(TINY.items()):
            save_image(root / stimuli / f"{image}.jpg", seed=n)
            trials = np.empty((len(subjects), 1), dtype=object)
            for k, fixations in enumerate(subjects.values()):
                x, y = np.array(fixations, dtype=float).T
                trials[k, 0] = {"fix_x": x, "fix_y": y, "fix_duration": np.full(len(x), 250)}
            records[n, 0] = {"img": f"{image}.jpg", "subjects": trials}
        savemat(root / eye / "fixations.mat", {"fixations": records})
        return root

    return make


@pytest.fixture
def make_folder(tmp_path: Path, save_image: Callable[..., Path]) -> Callable[..., Path]:
    """A user's own folder: images a, b and c of 40x30, and the rows given, or those of TINY."""

    def make(
        rows: Sequence[Row] | None = None,
        header: Sequence[str] = ("image", "subject", "x", "y"),
        name: str = "own",
    ) -> Path:
        root = tmp_path / name
        for seed, image in enumerate("abc"):
            save_image(root / "images" / f"{image}.png", seed=seed)
        if rows is None:
            rows = [
                (f"{image}.png", subject, x, y)
                for image, subjects in TINY.items()
                for subject, fixations in subjects.items()
                for x, y in fixations
            ]
        with (root / "fixations.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return root

    return make


@pytest.fixture
def make_pysaliency(
    tmp_path: Path, save_image: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """A folder as pysaliency caches it that holds TINY, with subjects numbered from 1."""
    import pysaliency

    # pysaliency 0.2.22 writes HDF5 with a name that numpy 2 has dropped.
    monkeypatch.setattr(np, "string_", np.bytes_, raising=False)

    def make(
        name: str = "TINY", part: str = "", in_memory: bool = False, plain: bool = False
    ) -> Path:
        root = tmp_path / name
        files = [
            str(save_image(root / "stimuli" / f"{image}.png", seed=seed))
            for seed, image in enumerate(TINY)
        ]
        stimuli = pysaliency.FileStimuli(files)
        if in_memory:
            stimuli = pysaliency.Stimuli([np.asarray(s) for s in stimuli.stimuli])
        trials = [
            (n, subject, fixations)
            for n, subjects in enumerate(TINY.values())
            for subject, fixations in enumerate(subjects.values(), start=1)
        ]
        trains = pysaliency.FixationTrains.from_fixation_trains(
            [[x for x, _ in fixations] for _, _, fixations in trials],
            [[y for _, y in fixations] for _, _, fixations in trials],
            [range(len(fixations)) for _, _, fixations in trials],
            [n for n, _, _ in trials],
            [subject for _, subject, _ in trials],
            scanpath_fixation_attributes={"durations": [[0.25] * len(f) for _, _, f in trials]},
            scanpath_attribute_mapping={"durations": "duration"},
        )
        fixations = trains
        if plain:
            fixations = pysaliency.Fixations.create_without_history(
                trains.x, trains.y, trains.n, subjects=trains.subjects
            )
        stimuli.to_hdf5(str(root / f"stimuli{part}.hdf5"))
        fixations.to_hdf5(str(root / f"fixations{part}.hdf5"))
        return root

    return make


@pytest.fixture
def truncate() -> Callable[[Path], None]:
    """Cut a file to its first half."""

    def cut(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])

    return cut
