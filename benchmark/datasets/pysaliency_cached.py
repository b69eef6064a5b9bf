"""Data sets that pysaliency has cached as HDF5: ``stimuli.hdf5`` and ``fixations.hdf5``.

pysaliency's loaders write such a folder below their ``location``, see pysaliency.external_datasets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets import images, scanpaths
from benchmark.datasets.base import Dataset, DatasetSpec, dataset
from benchmark.errors import DataError

LAYOUT = "pysaliency: stimuli.hdf5 and fixations.hdf5"

# Which files hold a registered data set, where not stimuli.hdf5 and fixations.hdf5.
FILES = {
    "coco-freeview-train": ("stimuli_train.hdf5", "fixations_train.hdf5"),
    "coco-freeview-validation": ("stimuli_validation.hdf5", "fixations_validation.hdf5"),
    "koehler": ("stimuli.hdf5", "fixations_freeviewing.hdf5"),
    "salicon-train": ("stimuli_train.hdf5", "fixations_train.hdf5"),
    "salicon-validation": ("stimuli_val.hdf5", "fixations_val.hdf5"),
}

#: Bytes that compression may make of one; its best is about 1000.
_MOST_PACKED = 2000


def _pairs(root: Path) -> list[tuple[str, str]]:
    """Names of the files that belong together: stimuli<part>.hdf5 and fixations<part>.hdf5."""
    parts = sorted(file.stem.removeprefix("stimuli") for file in root.glob("stimuli*.hdf5"))
    pairs = [(f"stimuli{part}.hdf5", f"fixations{part}.hdf5") for part in parts]
    return [pair for pair in pairs if (root / pair[1]).is_file()]


def recognises(root: Path) -> bool:
    """Whether the folder has this layout."""
    return any(root.glob("stimuli*.hdf5"))


def path_spec(root: Path) -> DatasetSpec:
    """What is said of a data set of this layout that is not a registered one."""
    return DatasetSpec(
        name=root.name,
        title=root.name,
        summary="A data set that pysaliency has cached.",
        fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
        citation="",
        licence="",
    )


def _files(root: Path, spec: DatasetSpec) -> tuple[Path, Path]:
    """The two files to read.

    Raises:
        DataError: they are missing, or it is not clear which of several is meant.
    """
    pairs = _pairs(root)
    names = FILES.get(spec.name, ("stimuli.hdf5", "fixations.hdf5"))
    if spec.name not in FILES and names not in pairs and len(pairs) == 1:
        names = pairs[0]
    elif spec.name not in FILES and len(pairs) > 1:
        found = "; ".join(" with ".join(pair) for pair in pairs)
        raise DataError(
            f"{root}: holds several data sets ({found}); load one by its registered name, or move "
            "each into a folder of its own, as stimuli.hdf5 and fixations.hdf5."
        )
    stimuli, fixations = (root / name for name in names)
    missing = [
        f"{file}: this file is missing; expected {LAYOUT}."
        for file in (stimuli, fixations)
        if not file.is_file()
    ]
    if missing:
        raise DataError(*missing)
    return stimuli, fixations


def _check_bytes(source: Any, size: int) -> None:
    """Raise ValueError if a data set declares more than a file of ``size`` bytes can hold."""
    import h5py

    allowed = _MOST_PACKED * max(size, 2**20)

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.nbytes > allowed:
            raise ValueError(f"{name} declares {item.nbytes} bytes in a file of {size}")

    source.visititems(visit)


def _read(file: Path) -> Any:
    """What the file holds: pysaliency stimuli, whose images stay on disk, or fixations."""
    import h5py
    import pysaliency

    try:
        # Not read_hdf5(path): that caches by name alone, also after the file has changed.
        with h5py.File(file, "r") as source:
            _check_bytes(source, file.stat().st_size)
            kind = source.attrs["type"]
            if (kind.decode() if isinstance(kind, bytes) else str(kind)) == "FileStimuli":
                return images.ImageFiles.read_hdf5(source, cached=False)
            return pysaliency.read_hdf5(source)
    # h5py and pysaliency raise OSError, KeyError, ValueError and more on foreign files.
    except Exception as error:
        raise DataError(
            f"{file}: cannot be read ({type(error).__name__}: {error}); expected a file written by "
            "pysaliency's to_hdf5. Delete the folder and let pysaliency fetch it again."
        ) from error


def _check_sizes(stimuli: Any) -> None:
    """Raises DataError: lists images that are missing, or no longer of the size stored."""
    files = [Path(file) for file in stimuli.filenames]
    found = images.open_stimuli(files, as_stored=True)  # as pysaliency reads them
    problems = [
        f"{file}: is {is_now[1]}x{is_now[0]}, but was {was[1]}x{was[0]} when pysaliency stored its "
        "fixations; restore the original image."
        for file, is_now, was in zip(stimuli.filenames, found.sizes, stimuli.sizes)
        if tuple(is_now) != tuple(was)
    ]
    if problems:
        raise DataError(*problems)


def _image_names(stimuli: Any) -> list[str]:
    """Unique names: file names, with as many folders in front as it takes, or numbers."""
    files = stimuli.attributes.get("filenames", getattr(stimuli, "filenames", None))
    if files is None:
        return [f"{n:06d}" for n in range(len(stimuli))]
    names = [Path(str(file)).name for file in files]
    if len(set(names)) == len(names):
        return names
    parents = {os.path.dirname(os.path.abspath(str(file))) for file in files}
    common = os.path.commonpath(list(parents))
    return [Path(os.path.relpath(str(file), common)).as_posix() for file in files]


def _from_plain(fixations: Any) -> scanpaths.Scanpaths:
    """Fixations without scanpaths: one a subject and image, in the order they are stored in."""
    n, subject = np.asarray(fixations.n, dtype=int), np.asarray(fixations.subjects, dtype=int)
    order = np.lexsort((subject, n))
    keys, starts = np.unique(np.stack([n, subject])[:, order], axis=1, return_index=True)
    rows = np.split(order, starts[1:])
    x, y, t = (
        scanpaths.pad([np.asarray(values, dtype=float)[row] for row in rows])
        for values in (fixations.x, fixations.y, fixations.t)
    )
    return scanpaths.Scanpaths(image=keys[0], subject=keys[1], x=x, y=y, t=t)


def _from_trains(trains: Any) -> scanpaths.Scanpaths:
    return scanpaths.Scanpaths(
        image=np.asarray(trains.train_ns, dtype=int),
        subject=np.asarray(trains.train_subjects, dtype=int),
        x=trains.train_xs,
        y=trains.train_ys,
        t=trains.train_ts,
        per_fixation=dict(trains.scanpath_fixation_attributes),
        per_trial=dict(trains.scanpath_attributes),
        names=dict(trains.scanpath_attribute_mapping),
    )


@dataset(
    name="cat2000",
    title="CAT2000 (training)",
    summary="2000 images of 20 categories, 1920x1080, free viewing for 5 s by 18 subjects.",
    fixation_rule="Fixations as in pysaliency's version 1 (1-based coordinates, repeated fixations "
    "kept); those outside the image are dropped.",
    citation="Borji, Itti: CAT2000: A large scale fixation dataset for boosting saliency research. "
    "CVPR workshop on the future of datasets, 2015.",
    licence="None stated; for research.",
    folder="CAT2000_train",
    kernel_size=40.0,
)
@dataset(
    name="cat2000-v1.1",
    title="CAT2000 (training), version 1.1",
    summary="2000 images of 20 categories, 1920x1080, free viewing for 5 s by 18 subjects.",
    fixation_rule="Fixations as in pysaliency's version 1.1 (0-based coordinates, repeated "
    "fixations counted once); those outside the image are dropped.",
    citation="Borji, Itti: CAT2000: A large scale fixation dataset for boosting saliency research. "
    "CVPR workshop on the future of datasets, 2015.",
    licence="None stated; for research.",
    folder="CAT2000_train_v1.1",
    kernel_size=40.0,
)
@dataset(
    name="coco-freeview-train",
    title="COCO-Freeview (training)",
    summary="Images of MS COCO, padded to 1680x1050, free viewing by 10 subjects.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Chen, Yang, Chakraborty, Mondal, Ahn, Samaras, Hoai, Zelinsky: Characterizing "
    "target-absent human attention. CVPR workshops, 2022. Yang, Mondal, Ahn, Zelinsky, Hoai, "
    "Samaras: Predicting human attention using computational attention. arXiv:2303.09383, 2023.",
    licence="None stated; for research.",
    folder="COCO-Freeview",
    kernel_size=30.0,
)
@dataset(
    name="coco-freeview-validation",
    title="COCO-Freeview (validation)",
    summary="Images of MS COCO, padded to 1680x1050, free viewing by 10 subjects.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Chen, Yang, Chakraborty, Mondal, Ahn, Samaras, Hoai, Zelinsky: Characterizing "
    "target-absent human attention. CVPR workshops, 2022. Yang, Mondal, Ahn, Zelinsky, Hoai, "
    "Samaras: Predicting human attention using computational attention. arXiv:2303.09383, 2023.",
    licence="None stated; for research.",
    folder="COCO-Freeview",
    kernel_size=30.0,
)
@dataset(
    name="dut-omron",
    title="DUT-OMRON",
    summary="5168 natural images of up to 400 pixels, free viewing for 2 s by 5 subjects.",
    fixation_rule="Fixations as filtered by the authors; those outside the image are dropped. "
    "Subject numbers may not be consistent across images.",
    citation="Yang, Zhang, Lu, Ruan, Yang: Saliency detection via graph-based manifold ranking. "
    "CVPR 2013.",
    licence="None stated; for research.",
    folder="DUT-OMRON",
)
@dataset(
    name="figrim",
    title="FIGRIM",
    summary="More than 2700 scenes of 1000x1000 pixels, seen in a memory task.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Bylinskii, Isola, Bainbridge, Torralba, Oliva: Intrinsic and extrinsic effects on "
    "image memorability. Vision Research 116, 2015.",
    licence="None stated; for research.",
    folder="FIGRIM",
)
@dataset(
    name="koehler",
    title="Koehler (free viewing)",
    summary="800 images of 405x405 pixels; the free-viewing task alone.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Koehler, Guo, Zhang, Eckstein: What do saliency models predict? Journal of Vision "
    "14(3):14, 2014.",
    licence="On request from the authors.",
    folder="Koehler",
)
@dataset(
    name="nusef",
    title="NUSEF (public part)",
    summary="444 public images, 1024x700 pixels, free viewing for 5 s by 25 subjects.",
    fixation_rule="Fixations as pysaliency stored them (none is forced); those outside the image "
    "are dropped. Subject numbers may not be consistent across images.",
    citation="Ramanathan, Katti, Sebe, Kankanhalli, Chua: An eye fixation database for saliency "
    "detection in images. ECCV 2010.",
    licence="None stated; for research.",
    folder="NUSEF_public",
)
@dataset(
    name="pascal-s",
    title="PASCAL-S",
    summary="850 images of PASCAL VOC 2010, free viewing for 2 s by 12 subjects.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Li, Hou, Koch, Rehg, Yuille: The secrets of salient object segmentation. CVPR 2014.",
    licence="None stated; for research.",
    folder="PASCAL-S",
)
@dataset(
    name="pysaliency-mit1003",
    title="MIT1003 (pysaliency's copy)",
    summary="MIT1003 made with the original Matlab code: coordinates are not rounded.",
    fixation_rule="Without the forced initial fixation and fixations outside the image, as "
    "pysaliency stored them.",
    citation="Judd, Ehinger, Durand, Torralba: Learning to predict where humans look. ICCV 2009.",
    licence="None stated; images are from Flickr and LabelMe.",
    folder="MIT1003",
    pixels_per_degree=35.0,
)
@dataset(
    name="pysaliency-osie",
    title="OSIE (pysaliency's copy)",
    summary="700 images with several dominant objects, free viewing for 3 s by 15 subjects.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped.",
    citation="Xu, Jiang, Wang, Kankanhalli, Zhao: Predicting human gaze beyond pixels. "
    "Journal of Vision 14(1):28, 2014.",
    licence="MIT",
    folder="OSIE",
    pixels_per_degree=24.0,
)
@dataset(
    name="salicon-train",
    title="SALICON 2015 (training)",
    summary="10000 images of MS COCO, 640x480; mouse movements stand for eye movements.",
    fixation_rule="Mouse positions as pysaliency stored them; those outside the image are dropped. "
    "Each scanpath counts as a subject of its own.",
    citation="Jiang, Huang, Duan, Zhao: SALICON: Saliency in context. CVPR 2015.",
    licence="None stated; for research.",
    folder="SALICON",
)
@dataset(
    name="salicon-validation",
    title="SALICON 2015 (validation)",
    summary="5000 images of MS COCO, 640x480; mouse movements stand for eye movements.",
    fixation_rule="Mouse positions as pysaliency stored them; those outside the image are dropped. "
    "Each scanpath counts as a subject of its own.",
    citation="Jiang, Huang, Duan, Zhao: SALICON: Saliency in context. CVPR 2015.",
    licence="None stated; for research.",
    folder="SALICON",
)
@dataset(
    name="toronto",
    title="Toronto",
    summary="120 outdoor and indoor scenes, 681x511, free viewing for 4 s by 20 subjects.",
    fixation_rule="Fixations as pysaliency stored them; those outside the image are dropped. "
    "Subjects and order are unknown: all fixations of an image count as one subject's.",
    citation="Bruce, Tsotsos: Attention based on information maximization. Journal of Vision "
    "7(9):950, 2007.",
    licence="None stated; for research.",
    folder="toronto",
)
def load(root: Path, spec: DatasetSpec) -> Dataset:
    """Read a folder that pysaliency has written.

    Attributes of scanpaths (durations, tasks) are kept. Subjects are named by their numbers.

    Raises:
        DataError: a file is missing or unreadable, an image is missing, or the two do not match.
    """
    import pysaliency

    stimuli_file, fixations_file = _files(root, spec)
    stimuli, fixations = _read(stimuli_file), _read(fixations_file)
    if not isinstance(stimuli, pysaliency.Stimuli):
        raise DataError(f"{stimuli_file}: holds no stimuli; swap it with {fixations_file.name}?")
    if not isinstance(fixations, pysaliency.Fixations):
        raise DataError(f"{fixations_file}: holds no fixations; expected {LAYOUT}.")
    if isinstance(stimuli, pysaliency.FileStimuli):
        _check_sizes(stimuli)
    trains = isinstance(fixations, pysaliency.FixationTrains)
    paths = _from_trains(fixations) if trains else _from_plain(fixations)
    if paths.image.size and not 0 <= paths.image.min() <= paths.image.max() < len(stimuli):
        raise DataError(
            f"{fixations_file}: names image number {paths.image.max()}, but {stimuli_file.name} "
            f"holds {len(stimuli)} images; they do not belong together."
        )
    numbers, paths.subject = np.unique(paths.subject, return_inverse=True)
    subjects = [str(number) for number in numbers]
    return scanpaths.build(spec, stimuli, _image_names(stimuli), subjects, paths)
