"""The learning curve over observers, and its extrapolation, on simulated observers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from benchmark.datasets.base import training_data
from benchmark.datasets.simulated import random_scene, simulate
from benchmark.errors import BenchmarkError
from benchmark.statistics import observers, observers_report
from benchmark.statistics.extrapolate import extrapolate, fit_power_law
from benchmark.statistics.observers_report import ObserversOptions
from models.centerbias import CenterBias
from models.gold_standard import GoldStandard


@pytest.fixture(scope="module")
def measured():
    """Seven observers, four scenes: data, gold standard, curve."""
    scenes = [random_scene(n, 45, 60) for n in range(4)]
    data = training_data(simulate(7, 5.0, scenes=scenes))
    gold = GoldStandard.fit(data, CenterBias(data, 0.1, 0.01))
    return data, gold, observers.learning_curve(data, gold, orders=2)


def test_with_all_observers_it_is_the_gold_standard(measured):
    data, gold, curve = measured
    expected = gold.information_gain(data.stimuli, data.fixations, baseline_model=gold.centerbias)
    assert curve.observers.tolist() == [2, 3, 4, 5, 6, 7]
    assert curve.others.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.information_gain[-1] == pytest.approx(expected, abs=1e-9)
    assert curve.fits["bandwidth"].iloc[-1] == gold.mixture.bandwidth
    assert (np.diff(curve.information_gain) > 0).all()


def test_every_fixation_counts_once(measured):
    data, gold, curve = measured
    assert curve.counts.sum() == len(data.fixations.x)
    each = gold.information_gains(data.stimuli, data.fixations, baseline_model=gold.centerbias)
    for image, subject in ((0, 0), (2, 5)):
        chosen = (data.fixations.n == image) & (data.fixations.subjects == subject)
        assert curve.counts[image, subject] == chosen.sum()
        assert curve.gains[-1, image, subject] == pytest.approx(each[chosen].sum(), abs=1e-9)


def test_a_window_is_predicted_as_by_a_gold_standard_of_its_own(measured):
    data, gold, _ = measured
    everything = observers._Fixations.of(data, gold.centerbias)
    window = observers._Window(everything, [1, 4, 6])
    chosen = data.fixations[np.isin(data.fixations.subjects, [1, 4, 6])]
    part = GoldStandard(
        observers.TrainingData(data.stimuli, chosen, data.groups), gold.centerbias, gold.mixture
    )
    expected = part.log_likelihoods(data.stimuli, chosen)
    ours = window.log_likelihoods(gold.mixture)
    assert np.sort(ours) == pytest.approx(np.sort(expected), abs=1e-9)


def test_subjects_alone_on_an_image_are_predicted_by_the_prior(measured):
    data, gold, _ = measured
    kept = (data.fixations.n != 0) | (data.fixations.subjects == 0)
    alone = observers.TrainingData(data.stimuli, data.fixations[kept], data.groups)
    part = GoldStandard(alone, gold.centerbias, gold.mixture)
    window = observers._Window(observers._Fixations.of(alone, gold.centerbias), range(7))
    expected = part.log_likelihoods(alone.stimuli, alone.fixations)
    undefined = np.isnan(expected)  # to the gold standard
    assert undefined.tolist() == (alone.fixations.n == 0).tolist()
    prior = gold.centerbias.log_likelihoods(alone.stimuli, alone.fixations)
    expected[undefined] = prior[undefined]  # but for a trace of uniform in the mixture
    ours = window.log_likelihoods(gold.mixture)
    assert np.sort(ours) == pytest.approx(np.sort(expected), abs=1e-6)


def test_too_few_observers(measured):
    data, gold, _ = measured
    few = data.fixations[data.fixations.subjects < 2]
    with pytest.raises(BenchmarkError, match="at least three of them, and this data set has 2"):
        observers.learning_curve(observers.TrainingData(data.stimuli, few, data.groups), gold)


def test_resampled_curves_surround_the_measured_one(measured):
    curve = measured[2]
    draws = curve.resampled(1500, seed=1)
    assert draws.shape == (1500, 6)
    spread = draws.std(axis=0)
    assert (np.abs(draws.mean(axis=0) - curve.information_gain) < spread).all()
    again = curve.resampled(1500, seed=1)
    assert (draws == again).all()


def test_resampling_equals_repeating_images_and_subjects(measured):
    curve = measured[2]
    rng = np.random.default_rng(3)
    n_images, n_subjects = curve.counts.shape
    images = rng.multinomial(n_images, np.full(n_images, 1 / n_images), 5)
    subjects = rng.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), 5)
    draws = curve.resampled(5, seed=3)
    for i, s, draw in zip(images, subjects, draws):
        rows, columns = np.repeat(np.arange(n_images), i), np.repeat(np.arange(n_subjects), s)
        sums = curve.gains[:, rows][:, :, columns].sum(axis=(1, 2))
        total = curve.counts[rows][:, columns].sum()
        assert draw == pytest.approx(sums / total)


@pytest.mark.parametrize(("limit", "gap", "exponent"), [(1.8, 1.2, 0.5), (0.4, 0.1, 1.25)])
def test_a_power_law_is_found_again(limit, gap, exponent):
    m = np.arange(1, 15)
    law = fit_power_law(m, limit - gap * m**-exponent)
    found = float(law.limit), float(law.gap), float(law.exponent)
    assert found == pytest.approx((limit, gap, exponent), abs=1e-6)
    assert law.at([1, 4]) == pytest.approx([limit - gap, limit - gap * 4**-exponent])


def test_noisy_laws_are_fitted_as_by_scipy():
    m = np.arange(2, 15).astype(float)
    rng = np.random.default_rng(0)
    curves = 1.8 - 1.1 * m**-0.5 + rng.normal(0, 0.003, (3, len(m)))
    laws = fit_power_law(m, curves)
    for curve, limit, exponent in zip(curves, laws.limit, laws.exponent):
        (c, _, b), _ = curve_fit(lambda m, c, a, b: c - a * m**-b, m, curve, (1.5, 1.0, 0.6))
        assert limit == pytest.approx(c, abs=0.005)
        assert exponent == pytest.approx(b, abs=0.004)


def test_the_limit_comes_with_its_doubts():
    m = np.arange(1, 15)
    curve = 1.8 - m**-0.5
    bent = curve - 0.05 * (m == 1)  # only the first point leaves the law
    resampled = bent + np.linspace(-0.1, 0.1, 41)[:, None]
    found = extrapolate(m, bent, resampled)
    assert found.value == pytest.approx(1.8, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((1.705, 1.895), abs=1e-6)
    ratio = bent[-1] / 1.8
    assert found.share[0] == pytest.approx(ratio)
    assert found.share[1] < ratio < found.share[2]
    assert found.share[2] - found.share[1] < 0.02  # both rise and fall together
    assert sorted(found.by_start) == [1, 2, 3, 4]
    assert float(found.by_start[1].limit) < 1.75
    assert found.span[0] <= float(found.by_start[1].limit)
    with pytest.raises(BenchmarkError, match="six observers"):
        extrapolate(m[:4], bent[:4], resampled[:, :4])


def test_reports_are_the_same_again_and_hold_the_truth(tmp_path, monkeypatch):
    monkeypatch.setattr(CenterBias, "fit", lambda data: CenterBias(data, 0.1, 0.01))
    monkeypatch.setattr(observers_report, "random_scene", lambda index: random_scene(index, 45, 60))
    for name in "ab":
        options = ObserversOptions(
            simulated=True, orders=1, draws=100, repeats=2, observers=7, scenes=4,
            out=tmp_path / name,
        )  # fmt: skip
        folder = observers_report.observers(options)
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "README.md", "curve.csv", "limit.csv", "limits.csv", "observers.pdf", "observers.png"
    }  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "--simulated --orders 1 --draws 100 --repeats 2 --observers 7 --scenes 4" in text
    assert "nan" not in text


def test_a_data_set_is_reported(tmp_path, monkeypatch, measured):
    scenes = [random_scene(n, 45, 60) for n in range(4)]
    dataset = simulate(7, 5.0, scenes=scenes)
    monkeypatch.setattr(observers_report, "load", lambda name, root: dataset)
    monkeypatch.setattr(CenterBias, "fit", lambda data: CenterBias(data, 0.1, 0.01))
    folder = observers_report.observers(
        ObserversOptions(dataset="toy", orders=2, draws=100, out=tmp_path / "out")
    )
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "python -m benchmark observers --dataset toy --orders 2 --draws 100" in text
    assert f"{measured[2].information_gain[-1]:.4f}" in text
    assert "simulated observers" in text
    assert "nan" not in text


def test_designs_that_tell_nothing_of_observers_are_refused(make_folder):
    def rows(saw):
        return [(f"{i}.png", f"s{s}", 9, 9) for i in "abc" for s in range(6) if saw(i, s)]

    one = make_folder(rows(lambda image, subject: subject == 0), name="one")
    half = make_folder(rows(lambda image, subject: "abc".index(image) == subject // 2), name="half")
    for root, words in ((one, "there is one observer"), (half, "seen by 2.0 of 6 subjects")):
        with pytest.raises(BenchmarkError, match=words):
            observers_report.observers(ObserversOptions(str(root)))
