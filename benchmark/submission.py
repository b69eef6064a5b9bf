"""Predictions for a set whose fixations are held out, as the boards of the field accept them.

Boards: the MIT/Tübingen Saliency Benchmark takes log densities in an HDF5 file, its predecessor
took 8-bit maps, whose AUC and shuffled AUC depend on ranks alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pysaliency
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark import provenance, registry
from benchmark.datasets import images
from benchmark.density_file import DensityFile
from benchmark.errors import BenchmarkError, DataError
from benchmark.evaluate import checked, model_hash, parameters
from benchmark.files import write_json, write_whole
from benchmark.predict import build
from benchmark.rank_maps import JPEG_QUALITY, LEVELS, jpeg, png, rank_quantised
from benchmark.submission_check import WITH, WITHOUT, ReadBack, read_back
from benchmark.submission_notes import notes
from benchmark.submission_pieces import DENSITIES, MANIFEST, Pieces, Record, file_hash
from models.base import UnavailableError
from models.external import READOUTS

#: Source that the files depend on, besides the model's.
SOURCE = ("benchmark/submission.py", "benchmark/rank_maps.py", "benchmark/density_file.py")


@dataclass(frozen=True)
class SubmitOptions:
    """What to predict; the defaults are those of the command line.

    Attributes:
        images: a folder that holds the images, and no other files.
        out: folder of the submission, None for submissions/MODEL-FOLDER.
    """

    images: Path
    model: str = "deepgaze2"
    out: Path | None = None


@dataclass
class Submission:
    """A complete submission.

    Attributes:
        predicted: names of the images that were predicted now, not in an earlier run.
    """

    folder: Path
    manifest: dict[str, Any]
    predicted: list[str]


def submit(options: SubmitOptions, say: Callable[[str], None] = lambda text: None) -> Submission:
    """Predict a folder of images, write the files that boards accept, and read them back.

    Writes ``log_densities.hdf5`` (natural logs of densities, float32, each normalised in double
    precision), grey maps of their ranks with and without the centre bias (JPEG, and lossless PNG),
    ``manifest.json`` and ``README.md``. What an earlier run finished is kept as long as image,
    model, settings and versions are the same and the files are as they were written.

    Raises:
        DataError: lists every file that cannot be used, before anything is predicted.
        BenchmarkError: the model cannot predict images alone, or fails on an image; what was
            finished before is kept. Or a file that was written does not read back as it should.
    """
    trained = options.model.endswith(READOUTS)
    if not trained:
        registry.lookup(registry.models(), options.model, "model")
    called = Path(options.model).stem if trained else options.model
    out = options.out
    if out is None:
        out = Path("submissions") / f"{called}-{options.images.resolve().name}"
    files = held_out_images(options.images, out)
    pieces = Pieces(out)
    model = build(options.model)
    stimuli = images.open_stimuli(list(files.values()))
    keys = dict(zip(files, _keys(model, files.values())))
    missing = [name for name in files if not pieces.intact(name, keys[name])]
    whole = not missing and pieces.densities_intact() and set(pieces.finished) == set(files)
    if pieces.manifest and whole:
        manifest = pieces.manifest
        say(f"{out}: complete; reading it back")
        _raise(read_back(out, stimuli, {name: pieces.record(name) for name in files}))
    else:
        pieces.reopen()
        say(f"{len(files) - len(missing)} of {len(files)} images were predicted before")
        _predict_missing(model, called, stimuli, list(files), missing, keys, pieces)
        _assemble(out / DENSITIES, list(files), pieces)
        pieces.remove_stale(files)
        records = {name: pieces.record(name) for name in files}
        found = read_back(out, stimuli, records)
        _raise(found)
        manifest = _manifest(options, model, files, records, found, out)
        write_json(manifest, out / MANIFEST)
    write_whole(out / "README.md", notes(manifest))
    pieces.clear()
    return Submission(out, manifest, missing)


def held_out_images(folder: Path, out: Path | None = None) -> dict[str, Path]:
    """Image files by their paths below the folder, "/" between folders.

    Args:
        out: a folder that is not searched.

    Raises:
        DataError: lists every file that is no image, does not decode, or has another one's name.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; name one that holds the images.")
    files = {file.relative_to(folder).as_posix(): file for file in _visible(folder, out)}
    problems, called = [], dict[str, str]()
    for name, file in files.items():
        if file.suffix.lower() not in images.SUFFIXES:
            problems.append(
                f"{file}: is not an image; move it elsewhere, or convert it to one of "
                f"{' '.join(sorted(images.SUFFIXES))}."
            )
            continue
        if problem := images.decode_problem(file):
            problems.append(problem)
        # file systems that do not tell capitals apart would keep one map of two
        stem = str(PurePosixPath(name).with_suffix("")).casefold()
        if stem in called:
            problems.append(
                f"{file}: has the same name as {folder / called[stem]}; rename one of them "
                "(predictions are matched by the name without its ending)."
            )
        called.setdefault(stem, name)
    if not files:
        problems.append(f"{folder}: there is no image in this folder.")
    if problems:
        raise DataError(*problems)
    return files


def _visible(folder: Path, out: Path | None) -> Iterator[Path]:
    """All files of a folder, sorted, but an operating system's litter and what is in ``out``."""
    ours = out.resolve() if out is not None else None
    for file in sorted(folder.rglob("*")):
        if images.is_hidden(file.relative_to(folder)) or not file.is_file():
            continue
        if ours is None or ours not in file.resolve().parents:
            yield file


def _keys(model: Any, files: Any) -> Iterator[str]:
    """Hashes, an image, of everything that its files depend on."""
    shared = {
        "model": model_hash(model),
        "source": provenance.source_hash(*SOURCE),
        "versions": provenance.versions(),
    }
    for file in files:
        content = json.dumps({**shared, "image": file_hash(file)}, sort_keys=True)
        yield hashlib.sha256(content.encode()).hexdigest()


def _predict_missing(
    model: Any,
    title: str,
    stimuli: pysaliency.FileStimuli,
    names: list[str],
    missing: list[str],
    keys: dict[str, str],
    pieces: Pieces,
) -> None:
    wanted = set(missing)
    bar = tqdm(
        desc=f"predicting with {title}",
        total=len(names),
        initial=len(names) - len(missing),
        unit="image",
    )
    with bar:
        for name, stimulus in zip(names, stimuli):
            if name not in wanted:
                continue
            try:
                log_density, pictures = _predicted(model, stimulus, name)
            # Whatever a model raises, the message has to say on which image.
            except Exception as error:
                told = isinstance(error, (BenchmarkError, UnavailableError))
                kind = "" if told else f"{type(error).__name__}: "
                raise BenchmarkError(f"{name}: {kind}{error}") from error
            pieces.keep(name, keys[name], log_density, pictures)
            bar.update()


def _predicted(
    model: Any, stimulus: Any, name: str
) -> tuple[NDArray[np.float32], dict[str, bytes]]:
    """The log density of an image, and its pictures by their paths in the submission."""
    shape = (int(stimulus.shape[0]), int(stimulus.shape[1]))
    log_density = _single(model.log_density(stimulus), shape)
    maps = {WITH: log_density}
    if hasattr(model, "log_density_without_prior"):
        maps[WITHOUT] = _single(model.log_density_without_prior(stimulus), shape)
    pictures = {}
    for folder, values in maps.items():
        grey = rank_quantised(values)
        for kind, suffix, encode in (("png", ".png", png), ("jpeg", ".jpg", jpeg)):
            path = PurePosixPath(kind, folder, name).with_suffix(suffix)
            pictures[str(path)] = encode(grey)
    return log_density, pictures


def _single(log_density: Any, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A checked prediction, normalised, in single precision."""
    values, density = checked(log_density, shape)
    return (values - np.log(density.sum())).astype(np.float32)


def _assemble(file: Path, names: list[str], pieces: Pieces) -> None:
    with DensityFile(file) as store:
        for name in names:
            log_density = pieces.log_density(name)
            if log_density is None:
                raise BenchmarkError(
                    f"{name}: its prediction was lost while this ran; run the same command again."
                )
            store.add(name, log_density)


def _raise(found: ReadBack) -> None:
    if found.problems:
        raise DataError(*found.problems)


def _manifest(
    options: SubmitOptions,
    model: Any,
    files: dict[str, Path],
    records: dict[str, Record],
    found: ReadBack,
    out: Path,
) -> dict[str, Any]:
    """Everything that is needed to know, and to remake, what is submitted."""
    spec = {k: v for k, v in asdict(model.spec).items() if k != "needs"}
    hashes = {name: file_hash(file) for name, file in files.items()}
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
    return {
        "command": provenance.command_line(),
        "model": {
            **spec,
            "parameters": parameters(model),
            "content_hash": model_hash(model),
        },
        "images": {"folder": options.images.name, "n_images": len(files), "sha256": digest},
        "log_densities": DENSITIES,
        "log_densities_sha256": file_hash(out / DENSITIES),
        "maps": {
            WITH: "of the log density, for AUC",
            WITHOUT: "of the log density under a uniform prior, for shuffled AUC"
            if hasattr(model, "log_density_without_prior")
            else f"none: {spec['title']} has no prediction without centre bias",
        },
        "settings": {"grey_levels": LEVELS, "jpeg_quality": JPEG_QUALITY},
        "read_back": found.measured(),
        "versions": provenance.versions(),
        "source": provenance.commit(),
        "predictions": {
            name: {"image": hashes[name], **record} for name, record in records.items()
        },
    }
