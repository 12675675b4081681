"""Configurations: what is refused and in which words, what is read and how it is written back."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from nlp_transfer.config.load import load_config, render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.several import SeveralConfig, has_tasks, load_several
from nlp_transfer.errors import ConfigError

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "accelerate")
HEAVY = ("torch", "transformers", "datasets", "peft", "evaluate", "gensim", "accelerate", "sklearn", "pandas", "numpy")
TOKEN = "hf_" + "a1B2" * 9
BASE = "task: {name: sentiment}\ndata: {train: reviews.csv}\n"


def load(tmp_path, text, *overrides):
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def refusal(tmp_path, text, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "path", "nearest"),
    [
        ("trainning: {epochs: 2}", "trainning", "training"),
        ("training: {epoch: 2}", "training.epoch", "epochs"),
        ("source: {kind: checkpoint, nam: minilm}", "source.nam", "name"),
        ("source: {kind: vectors, contextualiser: cnn}", "source.contextualiser", "contextualizer"),
        ("strategy: {kind: lora, rnk: 4}", "strategy.rnk", "rank"),
    ],
)
def test_unknown_key_is_answered_with_its_dotted_path_and_the_nearest_name(tmp_path, section, path, nearest):
    message = refusal(tmp_path, BASE + section)
    assert f": {path}: unknown key. Known: " in message
    assert message.endswith(f"Did you mean '{nearest}'?")


def test_unknown_key_of_a_task_is_answered_with_the_keys_of_that_task(tmp_path):
    message = refusal(tmp_path, "task: {name: sentiment, head: {poling: mean}, max_lenth: 9}\ndata: {train: x}")
    assert "task.head.poling: unknown key. Known: dropout, hidden, kind, layers, pooling. Did you mean" in message
    assert "task.max_lenth: unknown key." in message
    assert "Did you mean 'max_length'?" in message


def test_known_keys_are_those_of_the_chosen_kind_only(tmp_path):
    message = refusal(tmp_path, BASE + "strategy: {kind: frozen, rank: 4}")
    known = "adaptation, cache, clip, confident, head_learning_rate, kind, rounds, solver"
    assert f"strategy.rank: unknown key. Known: {known}." in message


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("training: {epochs: many}", "training.epochs: expected 'auto' or a valid integer (received 'many')"),
        ("training: {tracker: tensorboad}", "mlflow, none, tensorboard, trackio, wandb. Did you mean 'tensorboard'?"),
        ("training: {epochs: 2.5}", "training.epochs: expected 'auto' or a valid integer (received 2.5)"),
        ("training: {epochs: '3'}", "training.epochs: expected 'auto' or a valid integer (received '3')"),
        ("training: {epochs: true}", "training.epochs: expected 'auto' or a valid integer (received true)"),
        ("training:", "training: expected a section of `key: value` lines (received null)"),
        ("source: minilm", "source: expected a section of `key: value` lines (received 'minilm')"),
        ("strategy: [lora]", "strategy: expected a section of `key: value` lines (received ['lora'])"),
        ("output: 3", "output: Input should be a valid string (received 3; put it in quotes)"),
        ("task: {name: sentiment, head: {hidden: [8, wide]}}", "task.head.hidden.1: Input should be a valid integer"),
    ],
)
def test_wrong_type_is_answered_with_what_was_received(tmp_path, section, expected):
    rest = "data: {train: reviews.csv}\n" if section.startswith("task") else BASE
    assert expected in refusal(tmp_path, rest + section)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("training: {epochs: 0}", "epochs: expected 'auto' or a number greater than or equal to 1 (received 0)"),
        ("training: {warmup: 1.0}", "training.warmup: Input should be less than 1 (received 1.0)"),
        ("training: {clip: .nan}", "training.clip: Input should be a finite number (received nan)"),
        ("training: {clip: .inf}", "training.clip: Input should be a finite number (received inf)"),
        ("training: {learning_rate: .nan}", "learning_rate: expected 'auto' or a finite number (received nan)"),
        ("training: {seeds: [3]}", "training.seeds: expected at least 2 entries (received [3])"),
        ("training: {seeds: 3}", "training.seeds: expected a list, in brackets (received 3)"),
        ("epochs: 3", "epochs: unknown key. Did you mean training.epochs?"),
        ("name: minilm", "name: unknown key. Did you mean task.name or source.name?"),
        ("training: {seeds: [3, 3]}", "training.seeds: a seed stands twice in [3, 3]"),
        ("training: {seed: 4294967296}", "training.seed: Input should be less than 4294967296"),
        ("strategy: {kind: lora, dropout: 1.5}", "strategy.dropout: Input should be less than 1 (received 1.5)"),
    ],
)
def test_number_out_of_range_is_refused(tmp_path, section, expected):
    assert expected in refusal(tmp_path, BASE + section)


def test_a_native_head_is_not_described_by_the_keys_of_a_pooled_one(tmp_path):
    described = "task: {name: sentiment, head: {kind: native, %s}}\ndata: {train: reviews.csv}"
    for key in ("hidden: [8]", "layers: [-2, -1]", "layers: mix", "pooling: cls", "dropout: 0.2"):
        assert "task.head: kind: native is as its architecture has it" in refusal(tmp_path, described % key)
    (tmp_path / "run.yaml").write_text(described % "layers: last")
    assert load_config(tmp_path / "run.yaml").task.head.kind == "native"


def test_a_decoder_from_a_checkpoint_has_its_sizes_already(tmp_path):
    decoder = "task: {name: translation, decoder: {source: minilm, layers: 4}}\ndata: {train: x.csv}"
    assert "task.decoder: layers: of a fresh decoder, not of one from a source" in refusal(tmp_path, decoder)


def test_key_of_several_types_gets_one_line_that_names_them_all(tmp_path):
    message = refusal(tmp_path, BASE + "training: {learning_rate: high}")
    assert message.endswith("run.yaml: training.learning_rate: expected 'auto' or a valid number (received 'high')")
    message = refusal(tmp_path, BASE + "training: {accumulation: 0}")
    assert message.endswith("accumulation: expected 'auto' or a number greater than or equal to 1 (received 0)")


def test_wrong_choice_is_answered_with_the_nearest(tmp_path):
    message = refusal(tmp_path, BASE + "source: {kind: vectors, contextualizer: cn}")
    assert "source.contextualizer: 'cn' is not a choice. Known: bag, bilstm, cnn, transformer. Did you mean" in message


def test_unknown_kind_is_answered_with_the_nearest(tmp_path):
    message = refusal(tmp_path, BASE + "strategy: {kind: lorra}")
    assert message.endswith(
        "strategy.kind: unknown kind 'lorra'. Known: frozen, full, gradual, lora. Did you mean 'lora'?"
    )


def test_missing_kind_is_answered_with_the_known_ones(tmp_path):
    assert refusal(tmp_path, BASE + "source: {name: x}").endswith(
        "source.kind: is required. Known: checkpoint, vectors"
    )


def test_all_problems_are_listed_at_once(tmp_path):
    message = refusal(
        tmp_path,
        "task: {name: sentiment, max_length: 2}\ndata: {trian: x}\ntraining: {epochs: -1, bach_size: 3}\noutput: 3\n",
    )
    first, *lines = message.splitlines()
    assert first.endswith("run.yaml: 6 problems")
    assert [line.split(":")[0].strip() for line in lines] == [
        "task.max_length", "data.train", "data.trian", "training.epochs", "training.bach_size", "output",
    ]  # fmt: skip


def test_long_received_value_is_cut(tmp_path):
    assert len(refusal(tmp_path, BASE + f"output: [{'x' * 5000}]")) < 300


@pytest.mark.parametrize(
    ("name", "nearest"), [("sentimnt", " Did you mean 'sentiment'?"), ("..x", ""), ("a/b", ""), ("''", "")]
)
def test_unknown_task_is_answered_with_the_known_ones(tmp_path, name, nearest):
    message = refusal(tmp_path, f"task: {{name: {name}}}\ndata: {{train: x}}")
    assert f"task: Unknown task '{name.strip(chr(39))}'. Known: " in message
    assert nearest in message
    assert message.endswith("A task of your own goes by its dotted module, such as mine.task.")


def test_dotted_task_that_defines_no_task_is_refused(tmp_path):
    assert "Module 'os.path' must define exactly one Task" in refusal(
        tmp_path, "task: {name: os.path}\ndata: {train: x}"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import no_such_thing", "task 'own{}.mine' cannot be imported: No module named 'no_such_thing'"),
        ("def", "task 'own{}.mine' cannot be imported: SyntaxError: invalid syntax"),
        (
            "from nlp_transfer_tasks.sentiment import Sentiment\nclass A(Sentiment): ...\nclass B(A): ...",
            "Module 'own{}.mine' must define exactly one Task; it defines 2",
        ),
        ("from nlp_transfer import Task\nclass Mine(Task):\n    pass", "Task Mine of 'own{}.mine' lacks auto_class, "),
        (None, "Unknown task 'own{}.mine'. Is its folder on PYTHONPATH?"),
    ],
    ids=["import", "syntax", "several", "methods", "nowhere"],
)
def test_a_task_of_ones_own_that_cannot_be_used_is_named_with_the_reason(tmp_path, monkeypatch, request, content, said):
    package = f"own{request.node.callspec.id}"  # a module is imported once
    (tmp_path / package).mkdir()
    if content is not None:
        (tmp_path / package / "mine.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    assert said.format(request.node.callspec.id) in refusal(
        tmp_path, f"task: {{name: {package}.mine}}\ndata: {{train: x}}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BASE + "data: {train: other.csv}\n", ", line 3: key 'data' appears twice"),
        ("task: {name: sentiment}\ndata:\n  train: a\n  train: b\n", ", line 4: key 'train' appears twice"),
        (BASE + "output: !!python/object/apply:os.system ['echo']", ", line 3: the tag !!python/object/apply:os.sys"),
        (BASE + "output: !!python/name:os.system", ", line 3: the tag !!python/name:os.system is not supported"),
        (BASE + "output: !mine x", ", line 3: the tag !mine is not supported"),
        (BASE + "output: 2020-99-99", ", line 3: month must be in 1..12"),
        (BASE + "[1, 2]: 3", ", line 3: a key must be a plain word"),
        (BASE + "---\ntask: {}", ", line 3: but found another document"),
        (BASE + "output: [1", ", line 3: "),
        ("task:\n\tname: sentiment\n", ", line 2: found character '\\t'"),
        ("task: {}\noutput: \x01", ", line 2: unacceptable character #x0001"),
        ("a: " + "[" * 3000, ", line 1: nested too deeply"),
        ("", ": the file is empty; it needs at least `task:` and `data:`"),
        ("# only a comment\n", ": the file is empty"),
        ("- task\n- data\n", ": expected `key: value` sections at the root, found a list"),
        ("sentiment", ": expected `key: value` sections at the root, found a str"),
    ],
)
def test_yaml_that_is_no_configuration_is_refused_with_its_line(tmp_path, text, expected):
    assert f"run.yaml{expected}" in refusal(tmp_path, text)


def test_alias_bomb_is_refused_before_it_expands(tmp_path):
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 64))
    assert ", line 2: YAML aliases (*name) are not supported; write the value out" in refusal(tmp_path, bomb)


def test_python_tag_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    refusal(tmp_path, BASE + f"output: !!python/object/apply:os.mkdir ['{mark}']")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"\xff\xfe", "is not UTF-8 text: byte 0 is 0xff"), (None, "no such file")],
)
def test_file_that_cannot_be_read_is_named(tmp_path, content, expected):
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"run.yaml: {expected}"):
        load_config(path)


@pytest.mark.parametrize("name", ["named", ".", "", "..", "/"])
def test_folder_is_no_configuration(tmp_path, monkeypatch, name):
    (tmp_path / "named").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="a folder, no file, and no shipped"):
        load_config(name)


def test_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert load_config(path).data.train == "reviews.csv"


@pytest.mark.parametrize("text", ["3e-4", "3E-4", "3.0e-4", "0.0003"])
def test_rates_are_numbers_however_they_are_written(tmp_path, text):
    assert load(tmp_path, BASE + f"training: {{learning_rate: {text}}}").training.learning_rate == 0.0003


def test_rate_in_an_override_is_a_number(tmp_path):
    assert load(tmp_path, BASE, "training.learning_rate=3e-4").training.learning_rate == 0.0003


@pytest.mark.parametrize(
    ("text", "overrides", "line"),
    [
        (BASE + f"output: {TOKEN}", (), "run.yaml, line 3"),
        (BASE + f"# mine is {TOKEN}\n", (), "run.yaml, line 3"),
        (BASE + f"{TOKEN}: 1\n{TOKEN}: 2\n", (), "run.yaml, line 3"),
        (BASE, (f"output={TOKEN}",), "override"),
        (BASE, (TOKEN,), "override"),
    ],
)
def test_token_is_refused_with_advice_and_never_repeated(tmp_path, text, overrides, line):
    message = refusal(tmp_path, text, *overrides)
    assert TOKEN not in message
    assert line in message
    assert "hf auth login" in message


def test_token_in_a_mapping_is_refused():
    with pytest.raises(ConfigError, match="hf auth login") as caught:
        load_config({"task": {"name": "sentiment"}, "data": {"train": "x", "revision": TOKEN}})
    assert TOKEN not in str(caught.value)


def test_dotted_overrides_reach_every_section(tmp_path):
    text = BASE + "strategy: {kind: lora, rank: 4}"
    config = load(
        tmp_path, text, "training.epochs=7", "strategy.rank=2", "task.max_length=64",
        "data.columns.text=review", "training.seeds=[1, 2]", "source={kind: vectors, name: my.txt}", "output=a=b",
    )  # fmt: skip
    assert (config.training.epochs, config.strategy.rank, config.task.max_length) == (7, 2, 64)
    assert config.data.columns == {"text": "review"}
    assert config.training.seeds == [1, 2]
    assert (config.source.kind, config.source.name, config.output) == ("vectors", "my.txt", "a=b")


def test_later_override_wins(tmp_path):
    assert load(tmp_path, BASE, "training.epochs=7", "training.epochs=8").training.epochs == 8


def test_overrides_leave_the_mapping_they_were_given_alone():
    values = {"task": {"name": "sentiment"}, "data": {"train": "x", "columns": {"text": "a"}}}
    load_config(values, ["data.columns.text=b", "training.epochs=2"])
    assert values == {"task": {"name": "sentiment"}, "data": {"train": "x", "columns": {"text": "a"}}}


@pytest.mark.parametrize("override", ["training", "=3", "training.=3", ".epochs=3", "training..epochs=3"])
def test_override_that_is_not_key_value_is_refused(tmp_path, override):
    assert refusal(tmp_path, BASE, override) == f"'{override}' is not KEY=VALUE; for example training.epochs=5"


def test_override_below_a_value_is_refused(tmp_path):
    assert refusal(tmp_path, BASE, "data.train.x=1") == (
        "'data.train.x=1': data.train is a value ('reviews.csv'), not a section with keys; "
        "set it by data.train=VALUE, or change it in the file"
    )


def test_override_below_a_list_is_refused_without_a_piece_of_it(tmp_path):
    values = f"{BASE}\ntasks: [{{name: reviews, task: {{name: sentiment}}}}]"
    assert refusal(tmp_path, values, "tasks.0.name=a/b") == (
        "'tasks.0.name=a/b': tasks is a list of 1, not a section with keys; set it by tasks=VALUE, or change it in the "
        "file"
    )


def test_override_with_an_unknown_key_is_answered_like_one_in_the_file(tmp_path):
    assert "training.epoch: unknown key" in refusal(tmp_path, BASE, "training.epoch=3")


def test_override_that_is_no_yaml_is_refused(tmp_path):
    assert refusal(tmp_path, BASE, "training.seeds=[1").startswith("'training.seeds=[1': ")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("source: {kind: vectors, contextualizer: bilstm, width: 5}", "source.width must be even for a bilstm"),
        (
            "source: {kind: checkpoint, scratch: true}\nstrategy: {kind: full, freeze_below: 2}",
            "strategy.freeze_below with source.scratch: true",
        ),
        ("training: {batch_size: 4, accumulation: 8}", "training.accumulation cannot cut training.batch_size"),
    ],
)
def test_contradictions_are_refused_in_the_words_of_the_file(tmp_path, section, expected):
    assert expected in refusal(tmp_path, BASE + section)


def test_shares_that_leave_nothing_of_train_are_refused(tmp_path):
    assert "leave nothing of train" in refusal(tmp_path, BASE, "data.validation_share=0.5", "data.test_share=0.5")


def test_share_of_a_split_that_is_given_does_not_count(tmp_path):
    load(tmp_path, BASE, "data.validation_share=0.5", "data.test_share=0.5", "data.test=held.csv")


def test_unknown_role_is_answered_before_any_data_is_read(tmp_path):
    message = refusal(tmp_path, BASE, "data.columns={txt: review}")
    assert "data.columns.txt: unknown role. Known: label, text. Did you mean 'text'?" in message


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_configuration_survives_rendering(path, tmp_path):
    read, kind = (load_several, SeveralConfig) if has_tasks(path) else (load_config, RunConfig)
    config = read(path)
    again = tmp_path / "again.yaml"
    again.write_text(render(config), encoding="utf-8")
    assert read(again) == config
    assert kind.model_validate(json.loads(config.model_dump_json())) == config


def test_rendering_fills_in_every_default_and_keeps_odd_text(tmp_path):
    config = load(tmp_path, BASE, "output='ä: #1 3e-4'", "data.columns={text: '010', label: 'no'}")
    text = render(config)
    assert "weight_decay: 0.01" in text
    assert load(tmp_path, text) == config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_configuration_opens_with_the_command_that_runs_it(path):
    comment = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert f"# nlp-transfer run {path.relative_to(ROOT)}" in comment


def test_rendered_configuration_builds_the_same_model(tmp_path):
    from tiny import sentiment, vectors

    from nlp_transfer_tasks.sentiment import Sentiment

    source = vectors(tmp_path / "v.txt", "cnn")
    first = sentiment()
    config = load_config({"task": {"name": "sentiment"}, "data": {"train": "x"}})
    again = Sentiment(load(tmp_path, render(config)).task, first.labels)
    assert again.build(source, None, frozen=True).model.config.pooling == ["max"]
    assert first.build(source, None, frozen=True).model.config.pooling == ["max"]


def test_there_are_at_least_eight_sentiment_configurations():
    assert len([path for path in SHIPPED if path.parent.name == "sentiment"]) >= 8


def test_command_line_answers_a_wrong_configuration_without_heavy_imports(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(BASE + "trainning: {epochs: 2}\n", encoding="utf-8")
    code = f"""
        import sys
        from nlp_transfer.cli.process import main
        sys.argv = ["nlp-transfer", "run", {str(path)!r}]
        try:
            main()
        except SystemExit as exit:
            print(exit.code, *[name for name in {HEAVY} if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    status, *heavy = done.stdout.split()
    assert (status, heavy) == ("2", [])
    assert done.stderr == f"error: {path}: trainning: unknown key. Known: data, output, source, strategy, task, " + (
        "training. Did you mean 'training'?\n"
    )


@pytest.mark.parametrize("name", ["1e5", "3e-4", "-2E+7", "1.5e3", "yes", "0x1f", "1:30", "null", "2020-01-01", "# x"])
def test_a_text_that_looks_like_something_else_is_read_back_as_a_text(name, tmp_path):
    config = load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv", "columns": {"text": name}}})
    (tmp_path / "config.yaml").write_text(render(config))
    assert load_config(tmp_path / "config.yaml") == config


def test_a_prompt_that_yaml_takes_for_a_mapping_is_to_be_quoted():
    config = {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    with pytest.raises(ConfigError, match=r"source\.prompt: expected a text.*put it in quotes of its own"):
        load_config(config, ["source.kind=checkpoint", "source.prompt=query: "])
