"""dataset.toml: what a user states of data of their own, and what is said of mistakes in it."""

from __future__ import annotations

import pytest

from benchmark.datasets import folder, locate, stated
from benchmark.errors import DataError


def state(root, text):
    (root / stated.FILE).write_text(text, encoding="utf-8")
    return root


def test_what_is_stated_is_known_of_the_data(make_folder):
    text = (
        'title = "Ühr study"\nsummary = "s"\ncitation = "c"\nlicence = "l"\n'
        "pixels_per_degree = 30\nkernel_size = 12.5\n"
    )
    spec = locate.load(state(make_folder(), text)).spec
    found = (spec.title, spec.summary, spec.citation, spec.licence)
    assert found == ("Ühr study", "s", "c", "l")
    assert (spec.pixels_per_degree, spec.kernel_size, spec.name) == (30.0, 12.5, "own")
    assert not spec.drop_initial


def test_what_is_not_stated_stays(make_fixatons):
    plain = locate.load(make_fixatons())
    found = locate.load(state(make_fixatons("OTHER"), "pixels_per_degree = 20.0"))
    assert found.spec.drop_initial
    assert found.spec.fixation_rule == plain.spec.fixation_rule
    assert found.content_hash == plain.content_hash


def test_the_first_fixations_of_own_data_can_be_dropped(make_folder):
    rows = [("a.png", "amy", 1, 1, 0.5), ("a.png", "amy", 2, 2, 0.0), ("b.png", "amy", 3, 3, 0.0)]
    root = make_folder(rows, ("image", "subject", "x", "y", "t"))
    assert len(locate.load(root).fixations.x) == 3
    dropped = locate.load(state(root, 'initial_fixations = "drop"'))
    assert list(dropped.fixations.x) == [1]  # the later one, though it comes first in the file
    assert dropped.dropped["initial fixations"] == 2
    assert "was forced and is dropped" in dropped.spec.fixation_rule


def test_the_first_fixations_of_fixatons_folders_can_be_kept(make_fixatons):
    root = make_fixatons()
    dropped = len(locate.load(root).fixations.x)
    kept = locate.load(state(root, 'initial_fixations = "keep"'))
    assert len(kept.fixations.x) == dropped + 4
    assert "initial fixations" not in kept.dropped
    assert kept.spec.fixation_rule.startswith("All fixations count")


@pytest.mark.parametrize("maker", ["make_osie", "make_pysaliency"])
def test_it_is_read_in_other_layouts(request, maker):
    root = request.getfixturevalue(maker)()
    before = len(locate.load(root).fixations.x)
    found = locate.load(state(root, 'title = "T"\ninitial_fixations = "drop"'))
    assert found.spec.title == "T"
    assert len(found.fixations.x) < before


def test_it_is_read_beside_images_whose_fixations_are_elsewhere(make_folder, tmp_path):
    root = make_folder([("a.png", "amy", 1, 1), ("a.png", "amy", 2, 2)])
    hidden = tmp_path / "hidden.csv"
    next(root.glob("*.csv")).rename(hidden)
    found = folder.load_held_out(state(root, 'initial_fixations = "drop"'), hidden)
    assert (list(found.fixations.x), found.name) == ([2], "own-hidden")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = My study", "expected lines such as"),
        ("a = " + "[" * 3000, "expected lines such as"),
        ("pixel_per_degree = 30", "no key 'pixel_per_degree'; known are title"),
        ("pixels_per_degree = 0", "pixels_per_degree is 0; expected a positive number"),
        ("pixels_per_degree = inf", "expected a positive number"),
        ("kernel_size = nan", "expected a positive number"),
        ("kernel_size = true", "expected a positive number"),
        ('kernel_size = "24"', "expected a positive number"),
        ('title = " "', "expected a line of text in quotes"),
        ("title = 3", "expected a line of text in quotes"),
        (r'title = "a\nb"', "expected a line of text in quotes"),
        ("kernel_size = 1" + "0" * 400, "expected a positive number"),
        ("kernel_size = 1" + "0" * 9000, "expected lines such as"),
        ("initial_fixations = true", 'expected "drop" or "keep"'),
        ("initial_fixations = []", 'expected "drop" or "keep"'),
    ],
)
def test_mistakes_are_named(make_folder, text, words):
    root = state(make_folder(), text)
    with pytest.raises(DataError) as error:
        locate.load(root)
    assert str(root / stated.FILE) in str(error.value)
    assert words in str(error.value)


def test_all_mistakes_are_named_at_once(make_folder):
    with pytest.raises(DataError) as error:
        locate.load(state(make_folder(), "kernel_size = -1\nfoo = 2"))
    assert len(error.value.problems) == 2


def test_text_that_is_not_utf8_is_refused(make_folder):
    root = make_folder()
    (root / stated.FILE).write_bytes(b'title = "\xff"')
    with pytest.raises(DataError, match="cannot be read"):
        locate.load(root)


def test_registered_data_sets_are_what_their_names_say(make_fixatons, tmp_path):
    root = make_fixatons("FixaTons/MIT1003")
    state(root, "kernel_size = 5")
    for asked in ("mit1003", root):
        with pytest.raises(DataError, match="is the registered data set 'mit1003'"):
            locate.load(asked, tmp_path)
