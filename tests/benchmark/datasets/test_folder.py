"""A user's own folder: what is accepted, and that every problem is found in one go."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.datasets import folder
from benchmark.errors import DataError

HEADER = ("image", "subject", "x", "y")


def read(root):
    return folder.load(root, folder.path_spec(root))


def problems_of(root):
    with pytest.raises(DataError) as caught:
        read(root)
    return caught.value.problems


def test_reads_images_below_the_folder_and_the_csv_file(make_folder):
    dataset = read(make_folder())
    assert dataset.name == "own"
    assert dataset.image_names == ["a.png", "b.png", "c.png"]
    assert dataset.subject_names == ["amy", "bob"]
    assert list(dataset.fixations.n) == [0, 0, 0, 0, 0, 1, 1, 1]
    assert list(dataset.fixations.x) == [20, 5, 30, 21, 39, 19, 8, 20]
    assert list(dataset.fixations.t[:3]) == [0, 1, 2]
    assert dataset.dropped == {
        "fixations outside the image": 1,
        "trials left empty": 0,
        "images without fixations": 1,
    }


def test_rows_are_sorted_by_time_where_there_is_one(make_folder):
    rows = [
        ("a.png", "amy", 3, 1, 0.9, 0.3),
        ("a.png", "amy", 1, 1, 0.1, ""),
        ("a.png", "amy", 2, 1, 0.5, 0.2),
    ]
    fixations = read(make_folder(rows, (*HEADER, "t", "duration"))).fixations
    assert list(fixations.x) == [1, 2, 3]
    assert list(fixations.t) == [0.1, 0.5, 0.9]
    np.testing.assert_allclose(fixations.duration, [np.nan, 0.2, 0.3])


def test_columns_may_come_in_any_order_and_others_are_named(make_folder):
    rows = [(7, "amy", "images/a.png", 3, "left")]
    dataset = read(make_folder(rows, ("Y", "subject", "image", "x", "eye")))
    assert (dataset.fixations.x[0], dataset.fixations.y[0]) == (3, 7)
    assert dataset.extras["ignored_columns"] == ["eye"]


def test_a_byte_order_mark_and_blank_lines_do_no_harm(make_folder):
    root = make_folder()
    text = (root / "fixations.csv").read_text()
    (root / "fixations.csv").write_text(text + "\n\n,,,\n", encoding="utf-8-sig")
    assert len(read(root).fixations.x) == 8


def test_every_problem_is_listed_with_its_line(make_folder, save_image):
    rows = [
        ("a.png", "amy", 1, 1),
        ("missing.png", "amy", 1, 1),
        ("a.png", "", 1, 1),
        ("a.png", "amy", "one", "nan"),
        ("a.png", "amy", 1),
    ]
    root = make_folder(rows)
    (root / "images" / "b.png").write_bytes(b"no image")
    save_image(root / "images" / "a.jpg")
    problems = problems_of(root)
    table = root / "fixations.csv"
    expected = [
        ("images/a.png", "same name"),
        ("b.png", "cannot be read as an image"),
        (f"{table}:3:", "missing.png"),
        (f"{table}:4:", "subject is empty"),
        (f"{table}:5:", "number for x, found 'one'"),
        (f"{table}:5:", "number for y, found 'nan'"),
        (f"{table}:6:", "expected 4 columns as in the header, found 3"),
    ]
    assert len(problems) == len(expected)
    for where, what in expected:
        assert any(where in problem and what in problem for problem in problems), (where, problems)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (("image", "subject", "x"), "misses y"),
        (("image", "x"), "misses subject, y"),
        (("image", "subject", "x", "y", "x"), "has twice x"),
        (("image;subject;x;y",), "Separate columns by commas"),
    ],
)
def test_a_wrong_header_says_what_was_expected(make_folder, header, words):
    (problem,) = problems_of(make_folder([], header))
    assert "fixations.csv:1:" in problem
    assert words in problem
    assert "image,subject,x,y[,t,duration]" in problem


@pytest.mark.parametrize("t", ["", "early", "inf"])
def test_times_must_be_numbers(make_folder, t):
    (problem,) = problems_of(make_folder([("a.png", "amy", 1, 1, t)], (*HEADER, "t")))
    assert "fixations.csv:2: expected a number for t" in problem


def test_two_images_that_differ_in_their_ending_only(make_folder, save_image):
    root = make_folder()
    save_image(root / "images" / "a.jpg")
    (problem,) = problems_of(root)
    assert f"{root / 'images' / 'a.png'}: has the same name as " in problem


@pytest.mark.parametrize("name", ["art/1.png", "art/1", "art\\1.png", "./art/1", "2.png", "2"])
def test_images_of_one_name_are_told_apart_by_their_folders(make_folder, save_image, name):
    root = make_folder([(name, "amy", 1, 1), ("action/1.png", "amy", 2, 2)])
    for seed, path in enumerate(("action/1.png", "art/1.png", "art/2.png")):
        save_image(root / path, seed=seed)
    dataset = read(root)
    images = dict(zip(dataset.image_names, map(list, (dataset.fixations.n == n for n in range(6)))))
    expected = "art/2.png" if name.startswith("2") else "art/1.png"
    assert images[expected] == [False, True]
    assert images["action/1.png"] == [True, False]
    assert "images/a.png" in images


@pytest.mark.parametrize("name", ["1.png", "1"])
def test_a_name_that_several_images_have_is_told(make_folder, save_image, name):
    root = make_folder([(name, "amy", 1, 1)])
    for seed, path in enumerate(("action/1.png", "art/1.png")):
        save_image(root / path, seed=seed)
    (problem,) = problems_of(root)
    assert problem == (
        f"{root / 'fixations.csv'}:2: 2 images are called {name!r}; expected the path below the "
        "folder, such as 'action/1.png'."
    )
    save_image(root / "1.png", seed=2)
    assert read(root).image_names[0] == "1.png"  # this path is a whole one
    assert list(read(root).fixations.n) == [0]


def test_a_name_of_several_images_is_told_once(make_folder, save_image):
    rows = [("1.png", "amy", n, 1) for n in range(40)]
    root = make_folder([*rows, ("a.png", "amy", 1, 1), ("./1.png", "bob", 2, 2), ("1", "", 1, "x")])
    for seed, path in enumerate(("action/1.png", "art/1.png")):
        save_image(root / path, seed=seed)
    table, path = root / "fixations.csv", "expected the path below the folder, such as"
    assert sorted(problems_of(root)) == sorted(
        [
            f"{table}:2: 2 images are called '1.png' (39 more rows say so); {path} 'action/1.png'.",
            f"{table}:43: 2 images are called './1.png'; {path} 'action/1.png'.",
            f"{table}:44: 2 images are called '1'; {path} 'action/1.png'.",
            f"{table}:44: the subject is empty; name it.",
            f"{table}:44: expected a number for y, found 'x'.",
        ]
    )


def test_no_or_several_csv_files(make_folder):
    root = make_folder()
    (root / "more.csv").write_text("image,subject,x,y\n")
    assert (
        "exactly one CSV file of fixations, found fixations.csv, more.csv" in problems_of(root)[0]
    )
    for file in root.glob("*.csv"):
        file.unlink()
    assert "found none" in problems_of(root)[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"image,subject,x,y\n", "holds no fixation"),
        (b"image,subject,x,y\na.png,Zo\xeb,1,1\n", "UTF-8"),
    ],
)
def test_a_file_without_fixations(make_folder, content, words):
    root = make_folder()
    (root / "fixations.csv").write_bytes(content)
    (problem,) = problems_of(root)
    assert words in problem


def test_all_fixations_outside_is_an_error_that_suggests_swapped_columns(make_folder):
    (problem,) = problems_of(make_folder([("a.png", "amy", 10, 35), ("a.png", "bob", 12, 39)]))
    assert "2 lie outside" in problem
    assert "With x and y swapped, 2 would lie inside" in problem


def test_no_image(tmp_path):
    (tmp_path / "fixations.csv").write_text("image,subject,x,y\na.png,amy,1,1\n")
    assert any("holds no image" in problem for problem in problems_of(tmp_path))
