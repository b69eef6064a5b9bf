"""Files made up by hypothesis: odd tables, types and shapes are read as they are, or refused."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from contextlib import nullcontext

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from benchmark.datasets import folder
from benchmark.errors import BenchmarkError, DataError
from benchmark.files import read_csv
from benchmark.fuzzing.targets import TARGETS, plain
from benchmark.fuzzing.targets.fixations import NAMES
from benchmark.fuzzing.targets.maps import SHAPE
from models import matlab
from models.map_files import MapError, as_log_density, open_maps

FEW = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def user_folder(tmp_path):
    root = tmp_path / "own"
    for name in NAMES:
        plain.save_image(root / name)
    return root


# Tables

NUMBERS = st.one_of(
    st.floats(-5, 45).map(repr),
    st.integers(-5, 45).map(str),
    st.sampled_from(["1e1", " 7 ", "+3", ".5", "1e400", "-0.0", "39.999999999999996"]),
)
ODD = st.sampled_from(["nan", "inf", "", "1_0", "٣", "0x10", "1,5", "9" * 5000 + "x", "a"])
ROWS = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "a", "./b.png"]),
        st.text("aé \"',;#\u2028", min_size=1, max_size=4).filter(str.strip),
        NUMBERS,
        NUMBERS,
    ),
    min_size=1,
    max_size=8,
)


def written(rows, order, extra, quoting, bom, end):
    """A CSV file with its columns in an order, and one that nobody reads."""
    names = ["image", "subject", "x", "y", "note"]
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerow([names[k] for k in order])
    writer.writerows([[[*row, extra][k] for k in order] for row in rows])
    return text.getvalue().encode("utf-8-sig" if bom else "utf-8")


@FEW
@given(
    rows=ROWS,
    order=st.permutations(range(5)),
    extra=st.text("a,\"\n'", max_size=3),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    bom=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_tables_of_any_shape_give_the_fixations_in_them(
    user_folder, rows, order, extra, quoting, bom, end
):
    file = user_folder / "fixations.csv"
    file.write_bytes(written(rows, order, extra, quoting, bom, end))
    expected = Counter()
    for image, subject, x, y in rows:
        if plain.inside(float(x), float(y)):
            expected[
                "ab".index(image.removeprefix("./")[0]), subject.strip(), float(x), float(y)
            ] += 1
    if any(math.isinf(float(value)) for row in rows for value in row[2:]) or not expected:
        with pytest.raises(DataError, match=r"fixations\.csv|no fixation is left"):
            folder.load(user_folder, folder.path_spec(user_folder))
    else:
        dataset = folder.load(user_folder, folder.path_spec(user_folder))
        assert plain.of_dataset(dataset) == expected


@FEW
@given(rows=ROWS, at=st.integers(0, 7), column=st.sampled_from([2, 3]), odd=ODD)
def test_one_odd_number_is_told_with_its_line(user_folder, rows, at, column, odd):
    changed = [list(row) for row in rows]
    at %= len(rows)
    changed[at][column] = odd
    file = user_folder / "fixations.csv"
    file.write_bytes(written(changed, range(5), "", csv.QUOTE_ALL, False, "\n"))
    with pytest.raises(DataError) as caught:
        folder.load(user_folder, folder.path_spec(user_folder))
    assert f"fixations.csv:{at + 2}: expected a number for {'xy'[column - 2]}" in str(caught.value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


@FEW
@given(
    rows=st.lists(
        st.tuples(TEXTS, st.one_of(st.just(math.nan), st.floats())), min_size=1, max_size=6
    )
)
def test_scores_come_back_from_a_file(tmp_path, rows):
    file = tmp_path / "scores.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["model", "value"])
        writer.writerows([name, "" if math.isnan(value) else repr(value)] for name, value in rows)
    found = read_csv(file, ["model"], ["value"])
    assert list(found["model"]) == [name for name, _ in rows]
    np.testing.assert_array_equal(found["value"], [value for _, value in rows])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,value\na,1,2\nb,3,4\n", "line 2: 3 fields, expected 2"),
        ("model,value\na,1\nb\n", "line 3: 1 fields, expected 2"),
        ("model,value,model\na,1,b\n", r"column\(s\) model twice"),
        ('model,value\n"a,1\n', "cannot be read as CSV"),
        ("model,value\na,1_0\n", "line 2: value is '1_0'"),
        ("", "it is empty"),
    ],
)
def test_tables_that_pandas_would_mend_are_refused(tmp_path, text, message):
    file = tmp_path / "scores.csv"
    file.write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        read_csv(file, ["model"], ["value"])


def test_a_table_is_read_as_pandas_reads_it(tmp_path):
    file = tmp_path / "scores.csv"
    frame = pd.DataFrame({"image": ["NA", "001", 'q"'], "value": [0.1, -np.inf, np.nan]})
    frame.to_csv(file, index=False)
    pd.testing.assert_frame_equal(
        read_csv(file, ["image"], ["value"]),
        pd.read_csv(file, keep_default_na=False, na_values={"value": ""}, dtype={"image": str}),
    )


# Arrays

KINDS = st.one_of(
    arrays.floating_dtypes(),
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.timedelta64_dtypes(),
    arrays.datetime64_dtypes(),
    arrays.byte_string_dtypes(),
    arrays.unicode_string_dtypes(),
)
SHAPES = st.one_of(st.just(SHAPE), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
ANY = st.tuples(KINDS, SHAPES).flatmap(
    lambda found: arrays.arrays(found[0], found[1], fill=st.nothing())
)


def read_plainly(values, target, root, write):
    """A map of real finite numbers of the image's size is read, any other refused by name."""
    known = TARGETS[target]
    file = root / known.file
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    write(file, values)
    fits = values.shape == SHAPE and values.dtype.kind in "biuf" and np.isfinite(values).all()
    if fits:
        np.testing.assert_array_equal(known.run(file), values.astype(np.float64))
    else:
        with pytest.raises(MapError, match=file.name):
            known.run(file)


def write_hdf5(file, values):
    with h5py.File(file, "w") as content:
        if values.dtype.kind in "mM":
            values = values.astype(np.int64).astype(h5py.opaque_dtype(values.dtype))
        if values.dtype.kind == "U":
            content.create_dataset("a", values.shape, h5py.string_dtype())
        else:
            content["a"] = values


@FEW
@given(values=ANY)
def test_npy_of_any_type_and_shape(tmp_path, values):
    read_plainly(values, "map-npy", tmp_path, np.save)


@FEW
@given(values=ANY.filter(lambda values: values.dtype.kind not in "mM"))
def test_hdf5_of_any_type_and_shape(tmp_path, values):
    read_plainly(values, "maps-hdf5", tmp_path, write_hdf5)


MATLAB = st.one_of(
    arrays.floating_dtypes(sizes=(32, 64), endianness="<"),
    arrays.integer_dtypes(endianness="<"),
    arrays.unsigned_integer_dtypes(endianness="<"),
    arrays.complex_number_dtypes(sizes=(64, 128), endianness="<"),
    arrays.unicode_string_dtypes(endianness="<", min_len=1),
)


@FEW
@given(
    values=st.tuples(MATLAB, st.one_of(st.just(SHAPE), arrays.array_shapes(min_dims=2, max_dims=3)))
    .flatmap(lambda found: arrays.arrays(found[0], found[1], fill=st.nothing())),
    compressed=st.booleans(),
)  # fmt: skip
def test_matlab_of_any_type_and_shape(tmp_path, values, compressed):
    def write(file, values):
        savemat(file, {"map": values}, do_compression=compressed)

    read_plainly(values, "map-mat", tmp_path, write)


def as_cells(values):
    cells = np.empty(len(values), dtype=object)
    for n, value in enumerate(values):
        cells[n] = value
    return cells


CONTENT = st.recursive(
    st.one_of(
        arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2, min_side=0)),
        st.text("abc", max_size=4),
        st.floats(),
    ),
    lambda inner: st.one_of(
        st.dictionaries(st.text("fg", min_size=1, max_size=3), inner, min_size=1, max_size=3),
        st.lists(inner, min_size=1, max_size=3).map(as_cells),
    ),
    max_leaves=6,
)


@FEW
@given(content=CONTENT, compressed=st.booleans())
def test_what_scipy_writes_is_a_sound_matlab_file(content, compressed):
    buffer = io.BytesIO()
    savemat(buffer, {"content": content}, do_compression=compressed)
    found = matlab.load(buffer.getvalue())
    expected = loadmat(io.BytesIO(buffer.getvalue()))
    assert str(found["content"]) == str(expected["content"])
    with pytest.raises(ValueError, match=r"\w"):
        matlab.check(buffer.getvalue()[:-1])


@pytest.mark.parametrize("format_", ["4", "5"])
def test_cut_off_matlab_files_are_refused(format_):
    buffer = io.BytesIO()
    savemat(buffer, {"map": np.ones(SHAPE)}, format=format_)
    for length in range(len(buffer.getvalue())):
        if length != 128:  # a file of version 5 without any variable
            with pytest.raises(ValueError, match=r"\w"):
                matlab.check(buffer.getvalue()[:length])


@FEW
@given(
    values=arrays.arrays(
        np.float64, SHAPE, elements=st.one_of(st.floats(-50, 3), st.floats()), fill=st.nothing()
    ),
    kind=st.sampled_from(["log density", "density"]),
)
def test_densities_are_normalised_or_refused(values, kind):
    try:
        found = as_log_density(values, kind)
    except MapError:
        return
    assert abs(np.exp(found).sum() - 1) < 1e-4
    assert not np.isnan(found).any()


def test_a_source_that_is_no_archive_is_refused_by_name(tmp_path):
    for name in ("maps.zip", "maps.tar", "maps.tar.gz", "maps.tar.xz", "maps.h5"):
        for content in (b"", b"\x1f\x8b", b"PK", b"\xfd7zXZ", bytes(600), b"\x89HDF\r\n\x1a\n"):
            (tmp_path / name).write_bytes(content)
            empty_tar = name.startswith("maps.tar") and content == bytes(600)
            with nullcontext() if empty_tar else pytest.raises(MapError, match=name):
                assert open_maps(tmp_path / name).names == []
