"""Runs side by side: what the words claim, what the table and the plot show."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from rich.console import Console

from nlp_transfer.evaluation.plotting import SCRATCH, SIMPLE, TRANSFER, plot
from nlp_transfer.evaluation.verdicts import Comparand, render_table, write_verdicts
from nlp_transfer_tasks.sentiment import Sentiment
from nlp_transfer_tasks.translation import Translation

SIZE = 200
SCORES = re.compile(r"([+-]\d+\.\d) points \(([+-]\d+\.\d) to ([+-]\d+\.\d)\) of test accuracy")


def row(name, share, *, source="minilm", strategy="frozen", scratch=False, validation=None, seconds=1.5):
    """A method that is right on the first `share` of the test rows."""
    correct = [float(i < share * SIZE) for i in range(SIZE)]
    test = {"accuracy": float(np.mean(correct)), "macro_f1": share}
    chosen = {"accuracy": share if validation is None else validation, "macro_f1": share}
    return Comparand(name, source, strategy, scratch, 770, 22_566_146, seconds, chosen, test, correct)


def simple(name, share):
    return Comparand(
        name, "", "", False, 0, 0, None, row(name, share).validation, row(name, share).test, row(name, share).correct
    )


def said(rows, baselines):
    return write_verdicts(rows, baselines, task=Sentiment)


def test_clear_gain_is_said_to_beat_the_simple_method():
    (line,) = said([row("a", 0.9)], [simple("tfidf", 0.6)])
    assert line.startswith("minilm, frozen beats tfidf: +30.0 points (")


def test_small_gain_is_said_to_be_chance():
    (line,) = said([row("a", 0.605)], [simple("tfidf", 0.6)])
    assert line.startswith("minilm, frozen does not beat tfidf (may be chance): +0.5 points (")


def test_clear_loss_to_the_simple_method_names_it_and_does_not_speak_of_transfer():
    (line,) = said([row("a", 0.5)], [simple("tfidf", 0.6)])
    assert line.startswith("minilm, frozen is worse than tfidf: -10.0 points (")


def test_clear_loss_to_scratch_is_called_negative_transfer():
    lines = said([row("a", 0.5), row("b", 0.7, scratch=True, strategy="full")], [])
    assert any(
        line.startswith("minilm, frozen is worse than minilm from scratch, full: negative transfer") for line in lines
    )


def test_loss_of_the_scratch_control_is_no_negative_transfer():
    (line,) = said([row("b", 0.5, scratch=True)], [simple("tfidf", 0.6)])
    assert line.startswith("minilm from scratch, frozen is worse than tfidf: -10.0 points")


def test_a_run_is_called_so_that_it_can_be_told_from_those_beside_it():
    rows = [row("r8", 0.5), row("r16", 0.7)]
    (line,) = write_verdicts(rows[:1], [simple("tfidf", 0.6)], task=Sentiment, among=rows)
    assert line.startswith("minilm, frozen (r8) ")


def test_scratch_is_a_control_of_its_own_kind_of_model_only():
    pretrained, scratch = row("a", 0.5), row("b", 0.7, scratch=True)
    lines = said([replace(pretrained, model="x, AutoModel"), replace(scratch, model="x, AutoModelForSeq2SeqLM")], [])
    assert not any("negative transfer" in line for line in lines)


def test_scratch_is_a_control_of_its_own_source_only():
    lines = said([row("a", 0.8, source="glove-50d"), row("b", 0.5, scratch=True)], [])
    assert len(lines) == 1  # only which is best


def test_hardest_simple_method_by_validation_is_the_one_compared():
    (line,) = said([row("a", 0.9)], [simple("majority", 0.5), simple("tfidf", 0.7)])
    assert "beats tfidf" in line


def test_best_is_chosen_on_validation_and_reported_on_test():
    first, *_ = said([row("a", 0.9, validation=0.5), row("b", 0.6, validation=0.8, strategy="lora")], [])
    assert first == "Best on validation: minilm, lora, with accuracy 0.6000 on test."


@pytest.mark.parametrize(("mine", "other"), [(0.9, 0.6), (0.605, 0.6), (0.5, 0.6), (0.6, 0.6)])
def test_interval_holds_the_difference_and_decides_the_words(mine, other):
    (line,) = said([row("a", mine)], [simple("tfidf", other)])
    difference, low, high = map(float, SCORES.search(line).groups())
    assert low <= difference <= high
    assert difference == pytest.approx(100 * (mine - other), abs=0.06)
    assert (" beats " in line, " is worse " in line) == (low > 0, high < 0)


def test_runs_that_read_alike_are_told_apart_by_their_names(tmp_path):
    rows = [row("ulmfit", 0.9, strategy="gradual"), row("lp_ft", 0.6, strategy="gradual")]
    lines = said(rows, [simple("tfidf", 0.7)])
    assert lines[1].startswith("minilm, gradual (ulmfit) beats tfidf")
    assert lines[2].startswith("minilm, gradual (lp_ft) is worse than tfidf")
    assert "gradual (lp_ft)" in text(rows, [])


def test_a_run_that_is_called_as_a_simple_method_is_told_from_it():
    mine, method = row("tfidf_logistic", 0.6), simple("tfidf_logistic", 0.8)
    assert said([mine], [method])[0].startswith("minilm, frozen is worse than tfidf_logistic: ")
    assert "- (tfidf_logistic)" not in text([mine], [method])


def text(rows, baselines):
    console = Console(width=160, file=io.StringIO())
    console.print(render_table(rows, baselines, task=Sentiment))
    return console.file.getvalue()


def test_table_shows_simple_methods_first_and_every_figure():
    shown = text([row("a", 0.9), row("b", 0.5, scratch=True)], [simple("majority", 0.5)])
    lines = [line for line in shown.splitlines() if "0.5000" in line or "0.9000" in line]
    assert [line.split("│")[1].strip() for line in lines] == ["majority", "minilm", "minilm (scratch)"]
    assert "770 / 22,566,146" in lines[1]
    assert "1.5" in lines[1]
    heads = [[cell.strip() for cell in line.split("┃")[5:-1]] for line in shown.splitlines() if line.startswith("┃")]
    assert heads == [["validation"] * 2 + ["test"] * 2, ["accuracy", "macro_f1"] * 2]  # narrow: each in two lines
    assert max(map(len, shown.splitlines())) <= 120


def test_plot_writes_a_png(tmp_path):
    plot([row("a", 0.9), row("b", 0.5, scratch=True)], [simple("tfidf", 0.7)], tmp_path / "p.png", task=Sentiment)
    content = (tmp_path / "p.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 5000


def test_nothing_of_a_plot_is_cut_off(tmp_path):
    spread = {"standard_deviation": {"accuracy": 0.0123}}
    long = [replace(row("a", score), source=f"glove-50d {'far ' * 6}", seeds=(0, 1, 2)) for score in (0.9, 0.89)]
    plot([replace(one, test={**one.test, **spread}) for one in long], [], tmp_path / "p.png", task=Sentiment)
    picture = imread(tmp_path / "p.png")[..., :3]
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert edge.min() == 1.0  # white


def test_plot_gives_every_method_a_bar_of_its_own_with_name_colour_and_score(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    runs = [row("a", 0.9), row("b", 0.5), row("c", 0.4, scratch=True)]
    controls = [replace(simple(f"control {share}", share), scratch=True) for share in (0.1, 0.2, 0.3)]
    plot(runs, [simple("tfidf", 0.7), *controls], tmp_path / "p.png", task=Sentiment)
    (axes,) = figures[0].axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    notes = [text.get_text() for text in axes.texts]
    assert [f"{bar.get_width():.4f}" for bar in axes.patches] == [note.split()[0] for note in notes]
    assert list(zip(names, colours, notes, strict=True)) == [
        ("control 0.1", SCRATCH, "0.1000"),
        ("control 0.2", SCRATCH, "0.2000"),
        ("control 0.3", SCRATCH, "0.3000"),
        ("minilm from scratch, frozen", SCRATCH, "0.4000  (0.0034% of parameters)"),
        ("minilm, frozen (b)", TRANSFER, "0.5000  (0.0034% of parameters)"),
        ("tfidf", SIMPLE, "0.7000"),
        ("minilm, frozen (a)", TRANSFER, "0.9000  (0.0034% of parameters)"),
    ]


def test_a_score_below_zero_has_its_bar_and_number_in_the_picture(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    rows = [replace(row(name, 0.5), test={"mcc": score}) for name, score in (("a", -0.2), ("b", 0.3))]
    plot(rows, [], tmp_path / "p.png", task=Sentiment.selecting_by("mcc"))
    (axes,) = drawn[0].axes
    drawn[0].canvas.draw()
    left = axes.get_window_extent().x0
    assert axes.get_xlim()[0] <= -0.2
    assert all(left <= note.get_window_extent().x0 for note in axes.texts)


def test_a_model_that_does_not_look_at_its_input_is_said_to_answer_all_alike():
    rows = [replace(row("a", 0.5), answers=(1,)), replace(row("b", 0.6), answers=(2,))]
    lines = [line for line in said(rows, [simple("tfidf", 0.6)]) if "one and the same" in line]
    assert lines == ["minilm, frozen (a) gives one and the same answer to all 200 test rows."]


def test_a_model_that_writes_a_handful_of_texts_is_said_to():
    written = [replace(row(str(count), 0.5), answers=(count,)) for count in (1, 40, 41)]
    chrf = [replace(one, validation={"chrf": 1.0}, test={"chrf": 1.0}) for one in written]
    lines = [line for line in write_verdicts(chrf, [], task=Translation) if " gives " in line]
    assert [line.rpartition(" gives ")[2] for line in lines] == [
        "one and the same answer to all 200 test rows.", "only 40 different answers to 200 test rows."
    ]  # fmt: skip


def test_a_handful_of_test_rows_gives_no_verdict():
    few = [replace(one, correct=one.correct[:6]) for one in (row("a", 0.9), simple("tfidf", 0.1))]
    (line,) = said(few[:1], few[1:])
    assert line == "minilm, frozen cannot be told from tfidf: 6 test rows are too few."
