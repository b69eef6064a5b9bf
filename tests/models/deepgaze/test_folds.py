"""A fold's readout learns from the training images alone, and the same way each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.datasets.base import Dataset
from benchmark.shared_images import with_one_fold_each
from models.deepgaze.cache import FeatureCache
from models.deepgaze.corpus import Corpus, Examples, relative_zoom
from models.deepgaze.features import FeatureSet, loaded
from models.deepgaze.folds import (
    SCHEMES,
    Plan,
    Split,
    fill_cache,
    missing_bytes,
    one_thread,
    train_fold,
)
from models.deepgaze.images import look, pixel_hash
from models.deepgaze.prior import prior_table
from models.deepgaze.training import information_gain
from tests.models.deepgaze.bright import (
    FEATURES,
    RECIPE,
    corpus,
    looked_at,
    picture,
    pictures,
    with_fixations,
)

pytestmark = pytest.mark.usefixtures("quick_centerbias")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def bright():
    return corpus(9)


@pytest.fixture(scope="module")
def others():
    """Two more data sets: one to learn from as well, one to learn from before."""
    return corpus(6, seed=1, name="joint"), corpus(6, seed=2, name="before")


def plan(first, *others, recipe=RECIPE, **options) -> Plan:
    joint, before = others or (None, None)
    return Plan(
        recipe,
        (first, joint) if joint else (first,),
        (before,) if before else (),
        **{"n_folds": 3, **options},
    )


def everything(trained) -> dict[str, torch.Tensor]:
    """All that was fitted: readout, normalisation and priors."""
    member = trained.member
    priors = {f"prior of {name}": table for name, table in member.priors.items()}
    return {**member.readout.state_dict(), **priors}


def differing(one, other) -> set[str]:
    states = everything(one), everything(other)
    assert states[0].keys() == states[1].keys()
    return {name for name, value in states[0].items() if not torch.equal(value, states[1][name])}


# Splits


@pytest.mark.parametrize("n_folds", [3, 4, 10])
def test_a_split_takes_every_image_once(n_folds):
    folds = np.random.default_rng(0).integers(0, n_folds, 57)
    tested, stopped = [], []
    for fold in range(n_folds):
        split = Split.of(folds, fold, n_folds, "8-1-1")
        parts = (split.training, split.stopping, split.test)
        assert sorted(np.concatenate(parts)) == list(range(57))
        assert set(folds[split.test]) == {fold}
        assert set(folds[split.stopping]) == {(fold + 1) % n_folds}
        tested += list(split.test)
        stopped += list(split.stopping)
    assert sorted(tested) == sorted(stopped) == list(range(57))


def test_the_papers_scheme_stops_by_the_test_images():
    folds = np.arange(20) % 5
    split = Split.of(folds, 4, 5, "9-1")
    assert split.test.tolist() == split.stopping.tolist() == [4, 9, 14, 19]
    assert len(split.training) == 16
    assert not set(split.training) & set(split.test)
    assert SCHEMES == ("8-1-1", "9-1")


def test_data_sets_of_a_plan_have_names_of_their_own(bright, others):
    for rest in ((others[0], replace(others[1], name="joint")), (corpus(9), others[1])):
        with pytest.raises(ValueError, match=r"two data sets are called '(joint|bright)'"):
            plan(bright, *rest)
    assert list(plan(bright, others[0], others[0]).all_corpora) == ["bright", "joint"]


# What a fold may know


def garbage(data: Corpus, images) -> Corpus:
    """The data set with other pictures, of the same sizes, and fixations in a corner of them."""
    fixations = data.data.fixations
    pixels = [np.asarray(s) for s in data.data.stimuli.stimuli]
    kept = ~np.isin(fixations.n, images)
    extra = [(n, k) for n in images for k in range(40)]
    x = [*fixations.x[kept], *(k % 3 for _, k in extra)]
    y = [*fixations.y[kept], *(k % 2 for _, k in extra)]
    n = [*fixations.n[kept], *(n for n, _ in extra)]
    for index in images:
        noise = np.random.default_rng(index).integers(0, 256, pixels[index].shape, np.uint8)
        pixels[index] = noise
    return Corpus(
        data.name,
        with_fixations(pixels, x, y, n),
        data.content_hash,
        data.folds,
        tuple(map(pixel_hash, pixels)),
        np.array([look(rgb) for rgb in pixels]),
    )


def poisoned(corpora, fold) -> list[Corpus]:
    return [garbage(one, np.flatnonzero(one.folds == fold)) for one in corpora]


@pytest.mark.parametrize("fold", [0, 2])
def test_the_test_images_leave_no_trace(cache, bright, others, fold):
    """Other pictures and fixations in the test fold of every data set: the same to the bit."""
    clean = train_fold(plan(bright, *others), fold, 0, cache)
    dirty = train_fold(plan(*poisoned((bright, *others), fold)), fold, 0, cache)
    assert differing(clean, dirty) == set()
    assert clean.curve == dirty.curve
    assert dirty.test < clean.test - 0.1  # it was the test images that were replaced
    assert [point.stage for point in clean.curve] == ["pretraining"] * 2 + ["training"] * 3


@pytest.mark.parametrize("one_fold_each", [True, False])
def test_test_images_leave_no_trace_through_copies_in_other_data_sets(cache, bright, one_fold_each):
    """Without a fold of their own in all data sets they would: the copies are learned from."""
    images = [np.asarray(s) for s in bright.data.stimuli.stimuli]
    sharing = [bright]
    for n, name in enumerate(("joint", "before"), start=1):
        own = pictures(6, seed=n)
        own[3 * n - 1] = images[3 * n]  # in fold 2, which is learned from; the original's is 0
        data, folds = looked_at(own, seed=n), np.arange(6) % 3
        sharing.append(Corpus.of(name, data, f"hash of {name}", folds))
    tested = {bright.image_hashes[3], bright.image_hashes[6]}
    if one_fold_each:
        datasets = [
            Dataset(None, c.data.stimuli, c.data.fixations, range(len(c.folds)), ())
            for c in sharing
        ]
        sharing = with_one_fold_each(sharing, datasets)
        assert [c.folds.tolist() for c in sharing[1:]] == [[0, 1, 0, 0, 1, 2], [0, 1, 2, 0, 1, 0]]
    dirty = [
        garbage(c, [n for n, pixels in enumerate(c.image_hashes) if pixels in tested])
        for c in sharing
    ]
    trained = [train_fold(plan(*corpora), 0, 0, cache) for corpora in (sharing, dirty)]
    assert (differing(*trained) == set()) is one_fold_each
    assert (trained[0].curve == trained[1].curve) is one_fold_each


def test_a_data_set_that_leaves_nothing_to_learn_from(cache, bright, others):
    joint = replace(others[0], folds=np.zeros(6, dtype=np.int64))
    with pytest.raises(ValueError, match="fold 0 has no image of joint to learn from"):
        train_fold(plan(bright, joint, others[1]), 0, 0, cache)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["first", "joint", "pretraining"])
def test_training_images_do_leave_traces(cache, bright, others, which):
    """The test above can fail: the same poison in the fold that is trained on changes all."""
    corpora = [bright, *others]
    clean = train_fold(plan(*corpora), 0, 0, cache)
    corpora[which] = garbage(corpora[which], np.flatnonzero(corpora[which].folds == 2))
    dirty = train_fold(plan(*corpora), 0, 0, cache)
    changed = differing(clean, dirty)
    assert {"convolutions.0.weight", "log_blur", f"prior of {corpora[which].name}"} <= changed
    # Features are normalised for the data sets that the readout ends with.
    assert ({"mean", "deviation"} <= changed) == (which < 2)


def test_stopping_images_of_other_data_sets_leave_no_trace(cache, bright, others):
    corpora = [bright, *(garbage(one, np.flatnonzero(one.folds == 1)) for one in others)]
    clean, dirty = (
        train_fold(plan(*chosen), 0, 0, cache) for chosen in ([bright, *others], corpora)
    )
    assert differing(clean, dirty) == set()


def test_stopping_images_choose_the_epoch_alone(cache, bright):
    """They are in neither gradient, prior nor normalisation."""
    clean = train_fold(plan(bright), 0, 0, cache)
    dirty = train_fold(plan(garbage(bright, np.flatnonzero(bright.folds == 1))), 0, 0, cache)
    assert [p.training for p in clean.curve] == [p.training for p in dirty.curve]
    assert [p.stopping for p in clean.curve] != [p.stopping for p in dirty.curve]
    assert not differing(clean, dirty) & {"mean", "deviation", "prior of bright"}


def test_under_the_papers_scheme_test_images_only_choose_the_epoch(cache, bright):
    clean = train_fold(plan(bright, scheme="9-1"), 0, 0, cache)
    dirty = train_fold(plan(*poisoned([bright], 0), scheme="9-1"), 0, 0, cache)
    assert [p.training for p in clean.curve] == [p.training for p in dirty.curve]
    assert not differing(clean, dirty) & {"mean", "deviation", "prior of bright"}
    # The stopping images are the test images: the best epoch's gain is the test's.
    for one in (clean, dirty):
        np.testing.assert_allclose(max(p.stopping for p in one.curve), one.test, atol=1e-6)


def test_the_centre_bias_is_fitted_on_the_training_images(cache, bright, quick_centerbias):
    trained = train_fold(plan(bright), 1, 0, cache)
    (data,) = quick_centerbias
    training = np.flatnonzero(bright.folds == 0)
    assert len(data.stimuli) == len(training)
    fixations = bright.data.fixations
    of_training = np.isin(fixations.n, training)
    np.testing.assert_array_equal(data.fixations.x, fixations.x[of_training])
    np.testing.assert_array_equal(training[data.fixations.n], fixations.n[of_training])
    expected = prior_table(bright.centerbias(training))
    np.testing.assert_array_equal(trained.member.priors["bright"], expected)


def test_an_examples_prior_leaves_its_own_fixations_out(bright):
    training = np.flatnonzero(bright.folds != 0)
    centerbias = bright.centerbias(training)
    made = Examples(bright, training, centerbias, (FEATURES,), FeatureCache(None), 8.0)
    moved = garbage(bright, [int(training[3])])
    other = moved.centerbias(training)
    other.bandwidth, other.uniform_weight = centerbias.bandwidth, centerbias.uniform_weight
    made_of_other = Examples(moved, training, other, (FEATURES,), FeatureCache(None), 8.0)
    (one,), (same,) = made.make([training[3]]), made_of_other.make([training[3]])
    torch.testing.assert_close(one.log_prior, same.log_prior, atol=1e-5, rtol=0)
    (one,), (neighbour,) = made.make([training[4]]), made_of_other.make([training[4]])
    assert (one.log_prior - neighbour.log_prior).abs().max() > 0.1
    # An image that it was not fitted on gets the prior of all training images.
    (test,) = made.make([0])
    shape = test.lattice.rows.cells, test.lattice.columns.cells
    np.testing.assert_allclose(test.log_prior, centerbias.log_density_without(shape), atol=1e-5)


def test_near_duplicates_may_share_a_fold_and_are_left_out_together(bright):
    """Images of one group are in one fold, and in no other's prior."""
    images = pictures(6)
    images[3] = images[0].copy()
    images[3][0, 0] ^= 1
    data = looked_at(images)
    data = replace(data, groups=np.array([0, 1, 2, 0, 4, 5]))
    grouped = Corpus.of("grouped", data, "hash", np.array([0, 1, 2, 0, 1, 2]))
    centerbias = grouped.centerbias([0, 1, 3])
    own = data.fixations.n
    lone = centerbias.log_density_without((30, 40), 1)  # without image 1: of 0 and 3
    twins = centerbias.log_density_without((30, 40), 0)  # without 0 and its twin: of 1
    for chosen, found in (([1], twins), ([0, 3], lone)):
        x, y = data.fixations.x[np.isin(own, chosen)], data.fixations.y[np.isin(own, chosen)]
        at = own[np.isin(own, chosen)]
        alone = type(centerbias)(
            with_fixations(images, x, y, at), centerbias.bandwidth, centerbias.uniform_weight
        )
        np.testing.assert_allclose(found, alone.log_density_without((30, 40)), atol=1e-9)


def test_images_that_look_the_same_get_one_fold():
    from benchmark.datasets.splits import image_folds
    from tests.benchmark.tiny import tiny, with_images

    images = [picture(n) for n in range(9)]
    for original, copy in ((0, 4), (1, 7), (1, 8)):
        images[copy] = np.clip(images[original].astype(int) + 1, 0, 255).astype(np.uint8)
        images[copy][::2] = images[original][::2]
    dataset = with_images(tiny(sizes=[(48, 64)] * 9), images)
    folds = image_folds(dataset, 3)
    assert folds[0] == folds[4]
    assert folds[1] == folds[7] == folds[8]
    assert set(folds) == {0, 1, 2}
    for fold in range(3):
        split = Split.of(folds, fold, 3, "8-1-1")
        groups = [
            set(dataset.groups[part]) for part in (split.training, split.stopping, split.test)
        ]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]


# It learns


def test_it_gains_on_images_it_never_saw(cache):
    """Bright disks draw the eye: a readout trained on some images finds them in others."""
    recipe = replace(RECIPE, epochs=8)
    trained = train_fold(plan(corpus(18), recipe=recipe), 0, 0, cache)
    assert trained.test > 0.5
    assert trained.curve[-1].training > trained.curve[0].training + 0.2
    assert max(p.stopping for p in trained.curve) > 0.5
    assert sorted(trained.log_densities) == [0, 3, 6, 9, 12, 15]


def test_the_log_densities_are_those_of_the_test_images(cache, bright):
    trained = train_fold(plan(bright), 0, 0, cache)
    assert sorted(trained.log_densities) == [0, 3, 6]
    training = np.flatnonzero(bright.folds == 2)
    tested = Examples(bright, training, bright.centerbias(training), (FEATURES,), cache, 8.0).make(
        [0, 3, 6]
    )
    ratios = []
    for example in tested:
        values = trained.log_densities[example.index]
        assert len(values) == (bright.data.fixations.n == example.index).sum()
        ratios += list((values - example.baseline().numpy()) / np.log(2))
    np.testing.assert_allclose(trained.test, np.mean(ratios), atol=1e-5)
    np.testing.assert_allclose(
        trained.test, information_gain(trained.member.readout, tested), atol=1e-6
    )


# The same again


def test_twice_is_the_same_with_and_without_a_cache_and_in_any_order(cache, bright):
    clean = train_fold(plan(bright), 0, 0, cache)
    train_fold(plan(bright), 1, 0, cache)
    torch.manual_seed(123)
    again = train_fold(plan(bright), 0, 0, FeatureCache(None))
    assert differing(clean, again) == set()
    assert clean.curve == again.curve


def test_a_backbone_that_is_still_to_be_loaded_changes_nothing(cache, bright):
    """Loading one draws random numbers; a worker's first fold must not differ from its others."""
    clean = train_fold(plan(bright), 0, 0, cache)
    loaded.cache_clear()
    again = train_fold(plan(bright), 0, 0, cache)
    assert differing(clean, again) == set()


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_is_used_and_the_others_come_back(cache, bright, threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == threads
        seen = []
        train_fold(plan(bright), 0, 0, cache, report=lambda e: seen.append(torch.get_num_threads()))
        assert seen == [1, 1, 1]
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_number_of_threads_changes_nothing(tmp_path, bright):
    """Neither of those that compute the features nor of those that could train."""
    before = torch.get_num_threads()
    trained = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            own = FeatureCache(tmp_path / str(threads))
            fill_cache(plan(bright), own)
            trained.append(train_fold(plan(bright), 0, 0, own))
    finally:
        torch.set_num_threads(before)
    assert differing(*trained) == set()
    assert trained[0].curve == trained[1].curve
    assert trained[0].test == trained[1].test


def test_seeds_and_folds_differ(cache, bright):
    one, seed, fold = (
        train_fold(plan(bright), *which, cache) for which in ((0, 0), (0, 1), (1, 0))
    )
    assert "convolutions.0.weight" in differing(one, seed)
    assert not differing(one, seed) & {"mean", "deviation", "prior of bright"}
    assert {"convolutions.0.weight", "mean", "deviation", "prior of bright"} <= differing(one, fold)
    assert [(t.member.fold, t.member.seed) for t in (one, seed, fold)] == [(0, 0), (0, 1), (1, 0)]
    assert not any(p.requires_grad for p in one.member.readout.parameters())


class Killed(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 5])
def test_a_killed_fold_ends_with_the_same_bytes(tmp_path, cache, bright, others, epochs):
    recipe = replace(RECIPE, averaging=0.9)
    checkpoint = tmp_path / "fold.pt"
    clean = train_fold(plan(bright, *others, recipe=recipe), 0, 3, cache)
    seen = []

    def kill(epoch):
        seen.append(epoch)
        if len(seen) == epochs:
            raise Killed

    with pytest.raises(Killed):
        train_fold(plan(bright, *others, recipe=recipe), 0, 3, cache, checkpoint, kill)
    again = train_fold(plan(bright, *others, recipe=recipe), 0, 3, cache, checkpoint, seen.append)
    assert differing(clean, again) == set()
    assert again.curve == clean.curve == seen
    assert again.test == clean.test


def test_the_fingerprint_tells_trainings_apart(bright, others):
    base = plan(bright, *others)
    other_folds = replace(bright, folds=np.roll(bright.folds, 1))
    degrees = replace(bright, data=replace(bright.data, pixels_per_degree=20.0))
    variants = [
        plan(bright),
        plan(bright, others[1], others[0]),
        plan(replace(bright, content_hash="another"), *others),
        plan(other_folds, *others),
        plan(degrees, *others),
        plan(bright, *others, recipe=replace(RECIPE, epochs=4)),
        plan(bright, *others, recipe=replace(RECIPE, features=(replace(FEATURES, scale=0.5),))),
        plan(bright, *others, recipe=replace(RECIPE, readout=replace(RECIPE.readout, blur=5.0))),
        plan(bright, *others, scheme="9-1"),
        plan(bright, *others, training_images=2),
    ]
    found = [one.fingerprint(0, 0, "float32") for one in (base, *variants)]
    found += [base.fingerprint(*key) for key in ((1, 0, "float32"), (0, 1, "float32"))]
    found.append(base.fingerprint(0, 0, "bfloat16"))
    assert len(set(found)) == len(found) == 14
    assert plan(corpus(9), *others).fingerprint(0, 0, "float32") == found[0]


def test_a_fold_that_diverges_is_named(cache, bright):
    recipe = replace(RECIPE, learning_rate=1e30)
    with pytest.raises(
        ValueError, match=r"fold 1, seed 2: training has diverged: .* Lower the rec"
    ):
        train_fold(plan(bright, recipe=recipe), 1, 2, cache)


def test_another_folds_checkpoint_is_refused(tmp_path, cache, bright):
    checkpoint = tmp_path / "fold.pt"
    train_fold(plan(bright), 0, 0, cache, checkpoint)
    with pytest.raises(ValueError, match="checkpoint of another training"):
        train_fold(plan(bright), 1, 0, cache, checkpoint)


# Parts of the data


def test_fewer_training_images(cache, bright, quick_centerbias):
    big = corpus(12)
    first = train_fold(plan(big, training_images=2), 0, 0, cache)
    train_fold(plan(big, training_images=100), 0, 0, cache)
    assert [len(data.stimuli) for data in quick_centerbias] == [2, 4]
    again = train_fold(plan(big, training_images=2), 0, 0, cache)
    assert differing(first, again) == set()


def test_images_that_nobody_looked_at_are_passed_over(cache, bright):
    fixations = bright.data.fixations
    kept = ~np.isin(fixations.n, [2, 3])
    data = with_fixations(
        bright.data.stimuli.stimuli, fixations.x[kept], fixations.y[kept], fixations.n[kept]
    )
    trained = train_fold(plan(replace(bright, data=data)), 0, 0, cache)
    assert sorted(trained.log_densities) == [0, 6]
    assert all(torch.isfinite(value).all() for value in everything(trained).values())


def test_nobody_looked_at_the_stopping_images(cache, bright):
    fixations = bright.data.fixations
    kept = bright.folds[fixations.n] != 1
    data = with_fixations(
        bright.data.stimuli.stimuli, fixations.x[kept], fixations.y[kept], fixations.n[kept]
    )
    with pytest.raises(ValueError, match="nobody looked at the images"):
        train_fold(plan(replace(bright, data=data)), 0, 0, cache)


@pytest.mark.parametrize(
    "views", [{}, {"mirrored": False}, {"mirrored": False, "both_views": True}]
)
def test_filling_the_cache_leaves_nothing_to_compute(tmp_path, monkeypatch, bright, others, views):
    recipe = replace(RECIPE, **views)
    cache = FeatureCache(tmp_path)
    shown = []

    def progress(items, label):
        shown.append((label, len(items)))
        return items

    chosen = plan(bright, *others, recipe=recipe)
    fill_cache(chosen, cache, progress)
    n_views = 1 if views == {"mirrored": False} else 2
    assert shown == [
        (f"features of {name}", count * n_views)
        for name, count in (("bright", 9), ("joint", 6), ("before", 6))
    ]
    before = cache.size()
    monkeypatch.setattr("models.deepgaze.cache.extract", None)
    fill_cache(chosen, cache, progress)
    train_fold(chosen, 0, 0, cache)
    assert len(shown) == 3
    assert cache.size() == before > 0


@pytest.mark.parametrize(
    "features",
    [
        (FEATURES, replace(FEATURES, scale=0.5)),
        (FeatureSet(scale=0.25),),
        (FeatureSet("icf", ("intensity5", "contrast80"), 1.0),),
    ],
    ids=lambda sets: sets[0].backbone,
)
def test_what_the_features_will_take_is_known_before(tmp_path, features):
    """Of several plans at once, of which some read the same features."""
    cache = FeatureCache(tmp_path)
    some, more = corpus(4), corpus(5, name="more", seed=1)
    more = replace(more, image_hashes=(some.image_hashes[0], *more.image_hashes[1:]))
    recipe = replace(RECIPE, features=features)
    plain = replace(recipe, mirrored=False, features=features[:1])
    plans = [plan(some, more, None, recipe=plain), plan(some, recipe=recipe)]
    needed = missing_bytes(plans, cache)
    fill_cache(plans[0], cache)
    rest = missing_bytes(plans, cache)
    assert needed - rest == cache.size()
    fill_cache(plans[1], cache)
    assert missing_bytes(plans, cache) == 0
    assert cache.size() == needed > rest > 0


def test_features_of_a_layer_that_there_is_not(tmp_path, bright):
    recipe = replace(RECIPE, features=(replace(FEATURES, layers=("stem", "block99")),))
    with pytest.raises(ValueError, match="'efficientnet-lite0' has no layer 'block99'"):
        missing_bytes([plan(bright, recipe=recipe)], FeatureCache(tmp_path))


def test_resolution_is_relative_to_the_first_data_set(bright, others):
    assert relative_zoom(30.0, 20.0) == 1.5
    assert relative_zoom(None, 20.0) == relative_zoom(30.0, None) == 1.0
    first = replace(bright, data=replace(bright.data, pixels_per_degree=20.0))
    other = replace(others[0], data=replace(others[0].data, pixels_per_degree=10.0))
    assert other.zoom(first) == 0.5
    assert first.zoom(first) == 1.0
    assert bright.zoom(first) == 1.0
    made = Examples(
        other, np.arange(3), other.centerbias(range(3)), (FEATURES,), FeatureCache(None), 8.0, 0.5
    )
    assert [example.lattice.zoom for example in made.make(range(2))] == [0.5, 0.5]
