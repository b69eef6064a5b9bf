"""What is stored comes back, whole transactions or nothing, and errors name file and remedy."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.evaluate import Score
from benchmark.store import Store

KEYS = {"a": "key of a", "b": "key of b"}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "new" / "folder" / "scores.sqlite")
    yield store
    store.close()


def test_scores_come_back_exactly(store):
    values = [0.1 + 0.2, -np.inf, np.inf, np.nan, 5e-324, -1.5]
    store.add(KEYS, [Score("a", n, "IG", value, n + 1) for n, value in enumerate(values)])
    found = store.read(KEYS["a"])
    assert list(found) == [(n, "IG") for n in range(6)]
    np.testing.assert_array_equal([value for value, _ in found.values()], values)
    assert [count for _, count in found.values()] == [1, 2, 3, 4, 5, 6]


def test_keys_keep_models_and_settings_apart(store):
    store.add(KEYS, [Score("a", 0, "IG", 1.0, 3), Score("b", 0, "IG", 2.0, 3)])
    assert store.read(KEYS["a"]) == {(0, "IG"): (1.0, 3)}
    assert store.read(KEYS["b"]) == {(0, "IG"): (2.0, 3)}
    assert store.read("key of a with another seed") == {}


def test_scores_come_as_a_grid_of_images_and_metrics(store):
    scores = [("IG", 0, 1.5), ("IG", 2, np.nan), ("AUC", 2, -np.inf), ("IG", 9, 3.0)]
    store.add(KEYS, [Score("a", image, metric, value, 4) for metric, image, value in scores])
    store.add(KEYS, [Score("a", 1, "KL", 1.0, 4), Score("b", 1, "IG", 1.0, 4)])
    values, counts = store.grid(KEYS["a"], 3, ["IG", "AUC"])
    np.testing.assert_array_equal(values, [[1.5, np.nan], [np.nan, np.nan], [np.nan, -np.inf]])
    assert counts.tolist() == [[4, -1], [-1, -1], [4, 4]]


def test_a_second_score_replaces_the_first(store):
    for value in (1.0, 2.0):
        store.add(KEYS, [Score("a", 0, "IG", value, 3)])
    assert store.read(KEYS["a"]) == {(0, "IG"): (2.0, 3)}


def test_an_image_is_stored_whole_or_not_at_all(store):
    scores = [Score("a", 0, "IG", 1.0, 3), Score("a", 0, object(), 1.0, 3)]  # type: ignore[arg-type]
    with pytest.raises(BenchmarkError):
        store.add(KEYS, scores)
    assert store.read(KEYS["a"]) == {}


def test_what_was_added_survives_a_store_that_was_never_closed(store):
    store.add(KEYS, [Score("a", 0, "IG", 1.0, 3)])
    other = Store(store.path)
    assert other.read(KEYS["a"]) == {(0, "IG"): (1.0, 3)}
    other.close()


def test_sums_come_back_by_block(store):
    totals = {1: np.arange(4.0).reshape(2, 2), 0: np.full((2, 2), 1 / 3)}
    for block, total in totals.items():
        store.add_sum("key", block, total)
    found = {block: store.sum_of("key", block) for block in sorted(store.blocks("key"))}
    assert list(found) == [0, 1]
    for block, total in totals.items():
        np.testing.assert_array_equal(found[block], total.ravel())
    assert store.blocks("other key") == set()
    assert (store.blocks("key"), store.blocks("other key")) == (set(found), set())
    for block, total in found.items():
        np.testing.assert_array_equal(store.sum_of("key", block), total)


def damage_all(content):
    return b"this is text, not a database" * 50


def damage_half(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [damage_all, damage_half])
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_kept(tmp_path, damage):
    path = tmp_path / "scores.sqlite"
    store = Store(path)
    store.add(KEYS, [Score("a", image, "IG", 1.0, 3) for image in range(3000)])
    store.close()
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    said = []
    again = Store(path, said.append)
    found = again.read(KEYS["a"])
    again.close()
    assert set(found.values()) <= {(1.0, 3)}
    assert (len(found) > 500) is (damage is damage_half)
    assert len(found) < 3000
    assert f"{path} was damaged: {len(found)} values" in said[0]
    assert path.with_name("scores.sqlite.damaged").read_bytes() == damaged
    Store(path, said.append).close()
    assert len(said) == 1  # the new file is sound


@pytest.mark.parametrize("where", [0, 18, 3000, "ahead", "ahead's end"])
def test_what_a_killed_run_left_in_its_write_ahead_file_is_kept(tmp_path, where):
    path, old = tmp_path / "new" / "scores.sqlite", tmp_path / "old" / "scores.sqlite"
    store = Store(old)
    store.add(KEYS, [Score("a", image, "IG", image + 0.5, 3) for image in range(300)])
    store.close()  # these are in the file itself
    store = Store(old)
    for image in range(300, 340):
        store.add(KEYS, [Score("a", image, "IG", image + 0.5, 3)])
    path.parent.mkdir()  # what a kill would leave: files of a store that is not closed
    ahead = path.with_name("scores.sqlite-wal")
    for file in (path, ahead):
        file.write_bytes(old.with_name(file.name).read_bytes())
    store.close()
    assert ahead.stat().st_size > 4096
    file, place = (path, where) if isinstance(where, int) else (ahead, 5 * 4096)
    if where == "ahead's end":
        place = file.stat().st_size - 100
    content = bytearray(file.read_bytes())
    content[place : place + 40] = bytes(255 - value for value in content[place : place + 40])
    file.write_bytes(content)
    again = Store(path)
    found = again.read(KEYS["a"])
    again.close()
    assert all(value == (image + 0.5, 3) for (image, _), value in found.items())
    damage_of_the_last = where in ("ahead", "ahead's end")
    assert {image for image, _ in found} >= set(range(300 if damage_of_the_last else 340))
    assert not ahead.exists()
    assert not list(path.parent.glob("*copy*"))


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path):
    path = tmp_path / "scores.sqlite"
    for n in range(2):
        path.write_bytes(b"no database %d" % n * 100)
        Store(path).close()
    for n, suffix in enumerate(("damaged", "damaged1")):
        assert (
            path.with_name(f"{path.name}.{suffix}").read_bytes().startswith(b"no database %d" % n)
        )


def test_a_changed_value_counts_as_missing(tmp_path):
    path = tmp_path / "scores.sqlite"
    store = Store(path)
    store.add(KEYS, [Score("a", image, "IG", image + 0.5, 3) for image in range(3)])
    store.add_sum("key", 0, np.ones(4))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE checked_scores SET value = 7.5 WHERE image = 1")
        connection.execute("UPDATE checked_sums SET total = ?", (np.zeros(4).tobytes(),))
    connection.close()
    said = []
    again = Store(path, said.append)
    assert again.read(KEYS["a"]) == {(0, "IG"): (0.5, 3), (2, "IG"): (2.5, 3)}
    assert again.blocks("key") == set()
    assert "was damaged: 2 values in it are sound" in said[0]
    again.add(KEYS, [Score("a", 1, "IG", 1.5, 3)])
    assert again.read(KEYS["a"])[1, "IG"] == (1.5, 3)
    again.close()


@pytest.mark.parametrize("seed", range(20))
def test_no_flipped_byte_gives_a_wrong_value(tmp_path, seed):
    path = tmp_path / "scores.sqlite"
    store = Store(path)
    scores = [Score("a", image, "IG", image / 7, 3) for image in range(400)]
    store.add(KEYS, scores)
    right = store.read(KEYS["a"])
    store.close()
    rng = np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for _ in range(5):
        data[rng.integers(len(data))] ^= int(rng.integers(1, 256))
    path.write_bytes(data)
    again = Store(path)
    found = again.read(KEYS["a"])
    assert found.items() <= right.items()
    again.add(KEYS, scores)
    assert again.read(KEYS["a"]) == right
    again.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError, match=r"file/out/scores\.sqlite: .*--out"):
        Store(tmp_path / "file" / "out" / "scores.sqlite")


def test_a_full_disk_is_named_and_what_was_stored_is_kept(tmp_path):
    path = tmp_path / "scores.sqlite"
    store = Store(path)
    store.add(KEYS, [Score("a", 0, "IG", 1.0, 3)])
    # SQLite's own limit gives the error of a full disk
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages}")
    many = [Score("a", image, "IG", 1.0, 3) for image in range(1, 1000)]
    with pytest.raises(BenchmarkError, match=r"full.*What was scored before is kept") as caught:
        store.add(KEYS, many)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    store.close()
    again = Store(path)
    assert again.read(KEYS["a"]) == {(0, "IG"): (1.0, 3)}
    again.add(KEYS, many)
    assert len(again.read(KEYS["a"])) == 1000
    again.close()
