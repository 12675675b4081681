"""Learning curves in words and as a figure: no more than was measured."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from nlp_transfer.evaluation.convergence import Convergence
from nlp_transfer.evaluation.curves import learning_curves
from nlp_transfer.evaluation.curves import plot as curve_plot
from nlp_transfer.evaluation.curves.findings import study
from nlp_transfer.evaluation.curves.frozen_layers import FrozenLayers, describe_frozen
from nlp_transfer.evaluation.curves.learning_curves import Measured, Worth
from nlp_transfer.evaluation.curves.plot import plot_curves
from nlp_transfer.evaluation.curves.sentences import (
    describe_timing,
    format_worth,
    list_curves,
    write_page,
    write_sentences,
)
from nlp_transfer.evaluation.html_report.charts import draw_curves, draw_history, draw_reliability
from nlp_transfer.evaluation.metrics import Interval
from nlp_transfer.evaluation.metrics_file import Bin, Confidence

SIZES = (16, 32, 64, 128, 256)
SHARES = {
    "minilm": [0.60, 0.68, 0.74, 0.78, 0.80],
    "glove": [0.45, 0.50, 0.55, 0.60, 0.62],
    "scratch": [0.50, 0.55, 0.60, 0.65, 0.70],
    "tfidf": [0.50, 0.52, 0.60, 0.66, 0.70],
}
CONTROLS = {"minilm": "scratch", "glove": "scratch"}
REACHED = Convergence("accuracy", 0.7, 3, 3, 0.0, 0.4, 120.0, 60.0)


def make(name, seeds):
    """A method whose rows are right by chance."""
    generator = np.random.default_rng(len(name))
    hits = np.stack([generator.random((seeds, 1000)) < share for share in SHARES[name]]).astype(float)
    role = "run" if name in CONTROLS else "scratch" if name == "scratch" else "simple"
    seconds = None if role == "simple" else np.ones((len(SIZES), seeds))
    return Measured(name, name, role, CONTROLS.get(name, ""), SIZES, hits, seconds)


@pytest.fixture(scope="module")
def curves():
    """Two runs with their control, and a simple method."""
    measured = [make(name, 3) for name in SHARES]
    convergence = dict.fromkeys(CONTROLS, [REACHED] * len(SIZES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_curves, "FITTED", 20)
        patch.setattr(learning_curves, "SAMPLES", 200)
        found = study(measured, simple="tfidf", highest=1.0, convergence=convergence)
    return [one for one in found if one.role == "run"], [one for one in found if one.role == "simple"]


@pytest.fixture(scope="module")
def said(curves):
    return write_sentences(curves[0], simple="tfidf", points=100, tested=1000, validated=200)


def test_sentences_say_what_pretraining_is_worth_where_it_leads_and_where_it_hurts(said):
    worth, lead, more, *others = said
    assert worth.startswith("What pretraining is worth to minilm, in labels beside scratch: at 16 rows ")
    assert "at 64 rows more than 192 (not reached)" in worth
    assert lead.startswith("minilm beats tfidf from 16 rows on: +")
    assert more.startswith("200 more labels would bring minilm about ")
    hurt = next(one for one in others if one.startswith("Transfer hurts glove: "))
    assert " at 256 rows" in hurt
    assert any(one.startswith("glove is worse than tfidf at 256 rows (-") for one in others)
    assert said[-1].startswith("At every size the state was chosen on all 200 rows of validation")


def test_twenty_test_rows_are_needed_to_say_anything(curves):
    assert write_sentences(curves[0], simple="tfidf", points=100, tested=19, validated=9) == [
        "Nothing is said about curves on 19 test rows: these are too few."
    ]


def test_time_is_said_apart(curves):
    timing = describe_timing(curves[0])
    assert timing[0].startswith("With 256 rows minilm reaches the best validation accuracy of scratch (0.7) after no ")
    assert timing[-1] == "Training on 256 rows takes: minilm 1.0 s, glove 1.0 s, scratch 1.0 s."


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        (Worth(16, 240, 96, None, 0.9, most=False), "240 (96 to more than 1,008)"),
        (Worth(64, None, None, None, 0.0, most=False), "more than 960 (not reached)"),
        (Worth(64, None, 700, None, 0.4, most=False), "more than 960 (not reached; the interval begins at 700)"),
        (Worth(64, -48, -48, 10, 1.0, most=True), "nothing (it would do with 48 fewer)"),
        (Worth(8, 8, 0, 10, 1.0, most=True), "8 or less"),
        (Worth(16, 0, 0, 0, 1.0, most=True), "nothing"),
    ],
)
def test_worth_claims_no_more_than_the_sizes_allow(worth, said):
    assert format_worth(worth, 1024) == said


def test_a_page_holds_the_table_and_no_name_breaks_it(curves):
    methods, simple = curves
    odd = study([make("tfidf", 1)], simple="", highest=1.0, convergence={})
    page = write_page(methods, simple, ["A sentence."], score="accuracy", points=100)
    assert "| minilm | 0." in page
    assert "|   worth, in labels | " in page
    assert page.endswith("- A sentence.\n")
    assert "a\\|b" in write_page([], [_rename(odd[0], "a|b")], [], score="accuracy", points=100)


def _rename(curve, label):
    return type(curve)(**{**vars(curve), "label": label})


def test_the_band_of_a_score_that_is_never_negative_ends_at_zero(curves):
    poor = make("glove", 2)
    poor.hits[:, 0], poor.hits[:, 1] = 0.0, np.arange(1000) < 100  # no row of one seed is right: 0.05 ± 0.07
    (one,) = study([replace(poor, role="simple", control="")], simple="", highest=1.0, convergence={})
    axes = Figure().add_subplot()
    curve_plot._draw_curve(axes, one, [one])
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == 0.0
    assert heights.max() > 0.1


def test_a_figure_that_cannot_be_drawn_loses_nothing(curves, tmp_path, caplog):
    few = list_curves(*curves)[:2]
    assert plot_curves(few, tmp_path, score="macro_f1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve.pdf", "curve.png", "curve.svg"]
    assert not plot_curves(few, tmp_path / "nowhere", score="macro_f1")
    assert "could not be drawn" in caplog.text


LOOKS = [{"epoch": at, "phase": f"phase {at // 2}", "loss": 0.7, "validation": {"accuracy": 0.5}} for at in range(6)]
BINS = [Bin(least=0.5 + 0.1 * at, rows=40, confidence=0.55 + 0.1 * at, right=0.6) for at in range(5)]
CALIBRATED = Confidence(temperature=1.3, note="", error_before=0.0812, error=0.0411, bins=BINS)
PHONE = 350  # CSS pixels that a page leaves for a picture on 390


@pytest.mark.parametrize("drawn", ["curves", "reliability", "history"])
def test_no_letter_of_a_picture_is_smaller_than_11_pixels_on_a_phone(curves, drawn):
    match drawn:
        case "curves":
            wide, *others = list_curves(*curves)
            named = [_rename(wide, "sentence-transformers/all-MiniLM-L6-v2, the last two layers, lora"), *others]
            svg = draw_curves("<svg></svg>", named, score="accuracy").narrow
        case "reliability":
            svg = draw_reliability(CALIBRATED).svg
        case "history":
            svg = draw_history(LOOKS, "accuracy").svg
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:[\w.]+ )*?([\d.]+)px", svg)]
    assert len(sizes) > 5
    assert min(sizes) * PHONE / width >= 11


def test_frozen_layers_are_held_against_the_fewest(curves):
    found = [
        FrozenLayers("minilm", layers, curves[0][0], Interval(0.0, 0.0, 0.0), memory, 10)
        for layers, memory in ((0, 400), (4, 100))
    ]
    assert describe_frozen(found, 100) == [
        "With 4 frozen layers instead of 0, minilm scores +0.0 points (+0.0 to +0.0), and needs 25% of the memory."
    ]
