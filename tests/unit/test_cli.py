"""The command line: its verbs, its exit codes, and how it ends when something or somebody stops it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from fresh import command as run_command
from fresh import start
from tiny import BAD, GOOD, save_checkpoint, save_csv, save_vectors

import nlp_transfer
from nlp_transfer.cli import commands as cli
from nlp_transfer.cli import process
from nlp_transfer.sources.vectors.table import open_vectors

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "datasets", "peft", "evaluate", "gensim", "accelerate", "sklearn", "pandas", "numpy")
TOKEN = "hf_" + "a1B2" * 9
TEXTS = ["good great film", "bad awful film", "warm story", "", "dull dark plot"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with vectors, data and a configuration."""
    folder = tmp_path_factory.mktemp("cli")
    vectors, data = save_vectors(folder / "vectors.txt"), save_csv(folder / "data.csv")
    save_checkpoint(folder / "bert")
    (folder / "run.yaml").write_text(
        f"task: {{name: sentiment, max_length: 32}}\nsource: {{kind: vectors, name: {vectors}}}\n"
        f"strategy: {{kind: frozen}}\ndata: {{train: {data}}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def finished(place):
    """A finished run."""
    return nlp_transfer.run(place / "run.yaml", output=place / "finished", progress=False).folder


def answers(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["vectors", "train", "--help"], ["--version"]])
def test_help_and_version_answer_without_heavy_imports(arguments):
    heavy = (*HEAVY, "nlp_transfer.config.base")  # what makes classes of pydantic
    code = (
        "import sys; from nlp_transfer.cli.process import main\n"
        f"sys.argv = ['nlp-transfer', *{arguments}]\n"
        "try: main()\n"
        f"except SystemExit as leaving: print(leaving.code, [name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_help_names_every_verb(command):
    code, out, _ = command("--help")
    assert code == 0
    assert all(
        f"  {verb}" in out for verb in ("init", "run", "check", "compare", "predict", "evaluate", "sources", "vectors")
    )


def test_version_is_that_of_the_package(command):
    assert command("--version") == (0, nlp_transfer.__version__ + "\n", "")


@pytest.mark.parametrize(
    ("given", "question"),
    [
        ("pedict", " Did you mean 'predict'?"),
        ("rnak", " Did you mean 'rank'?"),
        ("train", " Did you mean 'run'?"),
        ("trian", " Did you mean 'run'?"),
        ("test", " Did you mean 'evaluate'?"),
        ("xyz", ""),
    ],
)
def test_wrong_verb_is_answered_with_the_nearest_or_what_other_tools_mean_by_it(command, given, question):
    code, _, err = command(given, "x")
    assert code == 2
    assert err.endswith(f"No such command '{given}'.{question}\n")


def test_wrong_option_is_answered_with_the_nearest(command):
    code, _, err = command("run", "x.yaml", "--outptu", "y")
    assert code == 2
    assert "No such option: --outptu" in err
    assert "--output" in err


@pytest.mark.parametrize(
    ("verb", "option", "way"),
    [
        ("run", "--epochs", " A setting is written without dashes: training.epochs=VALUE"),
        ("check", "--lr=3e-4", " A setting is written without dashes: training.learning_rate=VALUE"),
        ("run", "--set", " A setting is written without it: KEY=VALUE"),
        (
            "compare",
            "--gpus",
            " A GPU is used where there is one; CUDA_VISIBLE_DEVICES chooses it, and accelerate launch takes several",
        ),
        ("curve", "--label-smoothing", " A setting is written with --set: --set training.label_smoothing=VALUE"),
        ("compare", "--max-seq-length", " A setting is written with --set: --set task.max_length=VALUE"),
        ("predict", "--text", " Texts come from a file, or from standard input: echo TEXT | nlp-transfer predict RUN"),
        ("predict", "--epochs", None),
    ],
)
def test_an_option_that_other_tools_have_is_answered_with_how_it_is_given_here(command, verb, option, way):
    code, _, err = command(verb, "x", option, "3")
    assert code == 2
    said = f"No such option: {option.partition('=')[0]}"
    assert err.endswith(f"{said}.{way}\n") if way else said in err


def test_settings_that_other_tools_name_exist():
    from nlp_transfer.cli.elsewhere import SETTINGS
    from nlp_transfer.config.schema import config_schema

    parts = {name: set(part.get("properties", ())) for name, part in config_schema()["$defs"].items()}
    homes = {"training": "TrainingConfig", "data": "DataConfig"}  # of the other sections there are several kinds
    for key in SETTINGS.values():
        section, _, name = key.rpartition(".")
        assert name in (parts[homes[section]] if section in homes else set().union(*parts.values())), key


@pytest.mark.parametrize(
    ("verb", "arguments", "code", "message"),
    [
        ("run", ["{0}/no.yaml"], 2, "no.yaml: no such file"),
        ("run", ["training.epochs=3", "{0}/run.yaml"], 2, "a YAML file comes first"),
        ("check", ["{0}/run.yaml", "training.epoch=1"], 2, "training.epoch: unknown key."),
        ("compare", ["{0}/run.yaml", "--set", "training.epoch=1"], 2, "training.epoch: unknown key."),
        ("run", ["{0}/run.yaml", "data.train={0}/no.csv"], 3, "no.csv: no such file"),
        ("check", ["{0}/run.yaml", "data.columns.text=txt"], 3, "no column 'txt'"),
        ("check", ["{0}/run.yaml", "source.name={0}/no.txt"], 4, "no.txt"),
        ("check", ["{0}/run.yaml", "source={{kind: checkpoint, name: {0}}}"], 4, ""),
        ("predict", ["{0}/\x1b[31m"], 4, r"/\x1b[31m: no such run folder"),
        ("predict", ["{0}/nothing"], 4, "nothing: no such run folder"),
        ("predict", ["{0}/finishd"], 4, "finishd: no such run folder. Did you mean '"),
        ("predict", ["{0}/run.yaml"], 4, "run.yaml: is a file; expected the folder of a run"),
        ("predict", ["{0}"], 4, "it lacks config.yaml, metrics.json, model; name a run, such as /"),
        ("run", ["{0}/run.yml"], 2, "(see `nlp-transfer sources`). Did you mean '/"),
        ("evaluate", ["{0}/finished", "--data", "{0}/no.csv"], 3, "no.csv: no such file"),
        ("evaluate", ["{0}/finished", "{0}/data.csv", "--column", "text"], 2, "is not ROLE=NAME"),
        ("evaluate", ["{0}/finished"], 2, "one labelled file, as in `nlp-transfer evaluate RUN FILE`, received none"),
        ("evaluate", ["{0}/finished", "--data", ""], 2, "error: the argument behind --data is empty; name something"),
        ("init", ["/proc/self/mem"], 3, "/proc/self/mem: cannot be read after line 0"),  # as of a disk that fails
        ("vectors", ["import", "/proc/self/mem", "{0}/v"], 4, "/proc/self/mem: cannot be read: Input/output error"),
        ("run", [""], 2, "error: the argument behind run is empty; name something, or leave it out (is a shell"),
        ("export", ["{0}/finished", "--format="], 2, "error: --format is empty; name something"),
        ("compare", ["{0}/no.yaml", "--set=data.test="], 2, "no.yaml: no such file"),  # KEY= is none, and stays allowed
        ("predict", ["{0}/finished", "{0}/nothing", "--delimiter", "\t"], 3, "nothing: no such file"),  # so do blanks
        ("evaluate", ["{0}/finished", "a", "--data", "b"], 2, "RUN FILE`, received two, FILE and --data"),
        ("predict", ["{0}/finished", "{0}/data.csv", "--column", "txet"], 3, "no column 'txet'"),
        ("predict", ["{0}/finished", "{0}/data.csv", "--column", "txet=a"], 2, "unknown role. Known: label, text. Did"),
        ("predict", ["{0}/finished", "{0}/nothing"], 3, "nothing: no such file"),
        (
            "predict",
            ["{0}/finished", "a good film"],
            3,
            "a good film: no such file; a text itself comes from standard input",
        ),
        ("run", ["{0}/run.yaml", "task.name.a=1"], 2, "task.name is a value ('sentiment'), not a section with keys"),
    ],
)
def test_mistake_ends_in_one_line_and_the_exit_code_of_its_family(
    command, place, finished, tmp_path, monkeypatch, verb, arguments, code, message
):
    monkeypatch.chdir(tmp_path)
    found, out, err = command(verb, *(argument.format(place) for argument in arguments))
    assert (found, out) == (code, "")
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("verb", "option", "given", "said"),
    [
        ("predict", "--precision", "bf16", "'bf16' is not a choice. Known: auto, fp32."),
        ("merge", "--head", "solved", "'solved' is not a choice. Known: auto, average, solve. Did you mean 'solve'?"),
        ("shift", "--on-unknown-label", "drpo", "'drpo' is not a choice. Known: drop, error. Did you mean 'drop'?"),
        ("evaluate", "--quoting", "all", "'all' is not a choice. Known: auto, minimal, none."),
    ],
)
def test_a_choice_that_is_none_is_answered_with_those_that_are(command, verb, option, given, said):
    code, _, err = command(verb, "a", "b", option, given)
    assert code == 2
    assert err.endswith(f"Error: Invalid value for '{option}': {said}\n")


def test_unforeseen_failure_shows_no_traceback(command, place, monkeypatch):
    monkeypatch.setattr(nlp_transfer, "check", lambda *_: 1 / 0, raising=False)
    code, _, err = command("check", place / "run.yaml")
    assert code == 5
    assert err == "error: ZeroDivisionError: division by zero (run again with --debug for details)\n"


def test_traceback_is_shown_on_request_wherever_debug_stands(command, place, monkeypatch):
    monkeypatch.setattr(nlp_transfer, "check", lambda *_: 1 / 0, raising=False)
    for arguments in (["--debug", "check", place / "run.yaml"], ["check", place / "run.yaml", "--debug"]):
        code, _, err = command(*arguments)
        assert code == 5
        assert err.startswith("Traceback")


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (MemoryError(), "error: out of memory; try a smaller training.batch_size or task.max_length\n"),
        (OSError(5, "Input/output error", "runs/x"), "error: Input/output error: runs/x\n"),
    ],
)
def test_machine_that_runs_out_is_answered_with_code_5(command, place, monkeypatch, failure, message):
    def fail(*_):
        raise failure

    monkeypatch.setattr(nlp_transfer, "check", fail, raising=False)
    assert command("check", place / "run.yaml") == (5, "", message)


def test_token_on_the_command_line_is_refused_and_not_repeated(command):
    code, out, err = command("run", "x.yaml", f"source.name={TOKEN}")
    assert (code, out) == (2, "")
    assert "hf auth login" in err
    assert TOKEN not in err


def test_sources_lists_bundled_names_and_kinds(command):
    code, out, _ = command("sources")
    assert code == 0
    named = {line.split()[0] for line in out.splitlines() if line}
    assert {"minilm", "glove-50d", "bundled:imdb", "sentiment/minilm_frozen"} <= named
    assert "FOLDER or HUB_ID" in out


def test_schema_accepts_the_configuration_of_this_test(command, place):
    import yaml

    code, out, _ = command("schema")
    assert code == 0
    jsonschema.validate(yaml.safe_load((place / "run.yaml").read_text()), json.loads(out))


def test_run_leaves_a_folder_and_says_where(command, place, tmp_path):
    code, out, _ = command("run", place / "run.yaml", "training.seed=3", "--output", tmp_path / "made")
    assert code == 0
    assert out.splitlines()[-1] == f"run folder: {tmp_path / 'made'}"
    assert "test rows are too few" in out
    assert json.loads((tmp_path / "made" / "metrics.json").read_text())["seed"] == 3


def _unwritable(folder):
    if os.geteuid() == 0:  # whom no permission stops
        return Path("/proc/none")
    folder.chmod(0o500)
    return folder / "run"


@pytest.mark.parametrize("kind", ["full", "file", "read-only"])
def test_output_that_cannot_be_used_is_refused_before_a_model_is_loaded(command, place, tmp_path, monkeypatch, kind):
    target = tmp_path / "target"
    if kind == "full":
        target.mkdir()
        (target / "mine.txt").write_text("kept")
    elif kind == "file":
        target.write_text("kept")
    else:
        target = _unwritable(tmp_path)
    monkeypatch.setattr("nlp_transfer.runs.one_run.prepare", lambda *_: pytest.fail("a model was loaded"))
    code, _, err = command("run", place / "run.yaml", "--output", target)
    assert code == 2
    assert err.startswith(f"error: output folder {target} ")
    assert "choose another with --output" in err
    if kind == "full":
        assert (target / "mine.txt").read_text() == "kept"


def test_check_says_what_trains_labels_truncation_and_unknown_words_and_trains_nothing(command, place, monkeypatch):
    monkeypatch.setattr("nlp_transfer.runs.train.Trainer", lambda **_: pytest.fail("a training was started"))
    code, out, _ = command("check", place / "run.yaml", "task.max_length=8")
    assert code == 0
    for title in ("configuration", "data", "tokens", "what trains", "warnings"):
        assert f"== {title}" in out
    assert "train: 48 rows (negative 24, positive 24); text: " in out
    assert "kind: vectors" in out
    assert "max_length: 8\n" in out
    assert "% truncated" in out
    assert "% unknown" in out
    assert "encoder.embeddings" in out
    assert "head.output" in out
    assert "texts are truncated; see task.max_length" in out


def test_predict_reads_lines_on_standard_input_in_order(command, finished):
    code, out, _ = command("predict", finished, stdin="\n".join(TEXTS) + "\n")
    assert code == 0
    assert answers(out) == nlp_transfer.load(finished).predict(TEXTS)
    assert [one["label"] for one in answers(out)][:3] == ["positive", "negative", "positive"]


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("good film\n", ""),
        ("good film\n\n", "warning: 1 of 2 texts are empty\n"),
        ("good " * 40 + "\nbad\n", "warning: 1 of 2 texts are too long and were cut\n"),
        (
            "zzzqqq.\nzzzqqq good\n",
            "warning: 1 of 2 texts hold no word that the model knows, so their answers say nothing of them\n",
        ),
        ("", "warning: no text was given\n"),
    ],
)
def test_predict_warns_of_what_it_could_not_read_whole(command, finished, stdin, said):
    code, _, err = command("predict", finished, stdin=stdin)
    assert (code, err) == (0, said)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_predict_reads_every_format_in_order(command, finished, tmp_path, suffix):
    file = tmp_path / f"texts{suffix}"
    match suffix:
        case ".txt":
            file.write_text("".join(f"{text}\n" for text in TEXTS))
        case ".csv":
            file.write_text("".join(f'"{text}",x\n' for text in ["text", *TEXTS]).replace('"text",x', "text,other"))
        case ".jsonl":
            file.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    code, out, _ = command("predict", finished, file)
    assert code == 0
    expected = nlp_transfer.load(finished).predict(TEXTS)
    assert answers(out) == expected
    assert [one.get("reason") for one in expected] == [None, None, None, "the text is empty", None]
    assert all(one.keys() - {"reason"} == {"label", "confidence", "probabilities"} for one in expected)


def test_predict_writes_its_output_whole(command, finished, tmp_path):
    code, out, _ = command(
        "predict", finished, "-", "--output", tmp_path / "said.jsonl", stdin=f"{GOOD[0]}\n{BAD[0]}\n"
    )
    assert (code, out) == (0, "")
    assert [one["label"] for one in answers((tmp_path / "said.jsonl").read_text())] == ["positive", "negative"]
    assert [path.name for path in tmp_path.iterdir()] == ["said.jsonl"]


def test_a_dash_as_output_of_predict_is_standard_output(command, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("predict", finished, "-", "--output", "-", stdin=f"{GOOD[0]}\n")
    assert (code, answers(out)) == (0, nlp_transfer.load(finished).predict([GOOD[0]]))
    assert not (tmp_path / "-").exists()


def test_predict_that_fails_midway_leaves_the_old_output(command, finished, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "good film"}\n' * 600 + "{broken\n")
    (tmp_path / "said.jsonl").write_text("old\n")
    code, _, err = command("predict", finished, texts, "--output", tmp_path / "said.jsonl", "--force")
    assert code == 3
    assert "texts.jsonl:601:" in err
    assert (tmp_path / "said.jsonl").read_text() == "old\n"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("output", ["texts.txt", "folder", "no/said.jsonl"])
def test_predict_refuses_an_output_it_could_not_write_before_it_loads_the_model(
    command, finished, tmp_path, monkeypatch, output
):
    (tmp_path / "texts.txt").write_text("good film\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(nlp_transfer, "load", lambda _: pytest.fail("a model was loaded"), raising=False)
    code, _, err = command("predict", finished, tmp_path / "texts.txt", "--output", tmp_path / output)
    assert code == 2
    assert err.startswith(f"error: --output {tmp_path / output} ")


def test_predict_replaces_an_existing_output_only_when_told_to(command, finished, tmp_path, monkeypatch):
    said = tmp_path / "said.jsonl"
    said.write_text("old\n")
    with monkeypatch.context() as patched:
        patched.setattr(nlp_transfer, "load", lambda _: pytest.fail("a model was loaded"), raising=False)
        code, _, err = command("predict", finished, "-", "--output", said, stdin="good film\n")
    assert (code, err) == (2, f"error: --output {said} exists already; choose another, or replace it with --force\n")
    assert said.read_text() == "old\n"
    assert command("predict", finished, "-", "--output", said, "--force", stdin="good film\n")[0] == 0
    assert json.loads(said.read_text())["label"] == "positive"


@pytest.mark.parametrize("file", ["config.yaml", "metrics.json", "history.jsonl", "model/model.safetensors"])
def test_predict_never_replaces_a_file_of_the_run(command, finished, file):
    before = (finished / file).read_bytes()
    code, _, err = command("predict", finished, "-", "--output", finished / file, "--force", stdin="good film\n")
    assert (code, err) == (2, f"error: --output {finished / file} is a file of the run itself; choose another\n")
    assert (finished / file).read_bytes() == before


def test_predict_says_that_the_folder_of_the_output_is_missing(command, finished, tmp_path):
    code, _, err = command("predict", finished, "-", "--output", tmp_path / "no" / "said.csv", stdin="good film\n")
    said = f"cannot be written: there is no folder {tmp_path / 'no'}; make it first"
    assert (code, err) == (2, f"error: --output {tmp_path / 'no' / 'said.csv'} {said}\n")


@pytest.mark.parametrize("column", ["review", "text=review"])
def test_predict_takes_a_column_by_name_or_by_role(command, finished, tmp_path, column):
    (tmp_path / "texts.csv").write_text("review,text\ngood film,bad film\n")
    code, out, _ = command("predict", finished, tmp_path / "texts.csv", "--column", column)
    assert (code, answers(out)[0]["label"]) == (0, "positive")


def test_evaluate_prints_scores_beside_the_rows_and_simple_methods_on_them(command, place, finished):
    found = json.loads(command("evaluate", finished, place / "data.csv")[1])
    assert found["rows"] == 60
    assert found["simple"]["majority"]["accuracy"] == 0.5


def test_evaluate_takes_the_columns_that_are_not_named_from_training(command, place, finished, tmp_path):
    (tmp_path / "other.csv").write_text((place / "data.csv").read_text().replace("text,", "review,", 1))
    code, out, _ = command("evaluate", finished, tmp_path / "other.csv", "--column", "text=review")
    assert (code, json.loads(out)["rows"]) == (0, 60)


def test_evaluate_prints_scores_as_json(command, place, finished):
    code, out, _ = command("evaluate", finished, place / "data.csv")
    assert code == 0
    assert {"accuracy", "macro_f1", "mcc", "per_class"} <= json.loads(out).keys()


def test_evaluate_reads_other_columns(command, place, finished, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text((place / "data.csv").read_text().replace("text,label", "review,stars", 1))
    code, out, _ = command("evaluate", finished, other, "--column", "text=review", "--column", "label=stars")
    assert code == 0
    assert json.loads(out) == json.loads(command("evaluate", finished, place / "data.csv")[1])


def test_compare_finds_what_a_later_run_lacks_before_the_first_is_trained(command, place, tmp_path):
    layered = (place / "run.yaml").read_text().replace("task: {", "task: {head: {layers: [3]}, ")
    (place / "layered.yaml").write_text(layered)
    output = tmp_path / "both"
    code, _, err = command("compare", place / "run.yaml", place / "layered.yaml", "--output", output)
    assert (code, err.splitlines()[-1]) == (
        2, "error: layered: task.head.layers: this source has no layers to choose from; leave it out"
    )  # fmt: skip
    assert not list(output.rglob("metrics.json"))


def test_compare_prints_a_table_and_says_where_the_plot_is(command, place, tmp_path):
    code, out, _ = command("compare", place / "run.yaml", "--output", tmp_path / "both")
    assert code == 0
    assert all(word in out for word in ("majority", "tfidf_logistic", "vectors.txt", f"plot: {tmp_path / 'both'}"))


def test_what_is_set_and_has_no_effect_is_said(command, place, tmp_path, caplog):
    settings = ("source.width=9", "training.clip=3.0", "training.learning_rate=0.1", "training.epochs=9")
    said = [
        f"{key}: not used" for key in ("source.width", "training.epochs", "training.learning_rate", "training.clip")
    ]
    warnings = command("check", place / "run.yaml", *settings)[1].partition("== warnings\n")[2].splitlines()
    assert [line.partition(",")[0].partition(" by")[0] for line in warnings if "not used" in line] == said
    command("run", place / "run.yaml", *settings, "--output", tmp_path / "run")
    assert caplog.text.count("not used") == 4
    assert "not used" not in command("check", place / "run.yaml", "strategy.solver=gradient", *settings[1:])[1]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["strategy={kind: gradual, schedule: lp_ft, rate_decay: 2.0}"], ["strategy.rate_decay"]),
        (["strategy={kind: gradual, rate_decay: 2.0}"], []),
        (["data.subset=one", "data.revision=main"], ["data.subset", "data.revision"]),
        (["source={kind: checkpoint, name: '{place}/bert', revision: main}"], ["source.revision"]),
        (
            ["strategy.head_learning_rate=0.1", "training.head_warmup=0.5"],
            ["strategy.head_learning_rate", "training.head_warmup"],
        ),
        (["data.validation={place}/data.csv", "data.validation_share=0.2"], ["data.validation_share"]),
        (["data.split_seed=seed", "data.limit_seed=3"], ["data.limit_seed"]),
        (["data.validation={place}/data.csv", "data.test={place}/data.csv", "data.split_seed=3"], ["data.split_seed"]),
    ],
)
def test_settings_without_effect_are_named_whatever_their_section(command, place, settings, said):
    settings = [setting.replace("{place}", str(place)) for setting in settings]
    warnings = command("check", place / "run.yaml", *settings)[1].partition("== warnings\n")[2].splitlines()
    assert [line.partition(":")[0] for line in warnings if "not used" in line] == said


def test_columns_that_yaml_takes_for_something_else_are_asked_to_be_quoted(command, finished):
    code, _, err = command("evaluate", finished, "{en: a.en, no: a.no}")
    assert code == 2
    assert "FILE: the column False is no text in YAML; quote its name" in err


def test_tokens_a_word_are_told_only_of_texts_that_are_read_whole(command, place):
    assert command("check", place / "run.yaml")[1].count("tokens a word") == 3
    assert "tokens a word" not in command("check", place / "run.yaml", "task.max_length=8")[1]


def test_two_controls_of_one_kind_both_stand_in_the_metrics(place, tmp_path):
    for name, rate in {"slow": 0.001, "fast": 0.1}.items():
        scratch = (place / "run.yaml").read_text().replace("{kind: vectors,", "{kind: vectors, scratch: true,")
        (tmp_path / f"{name}.yaml").write_text(f"{scratch}training: {{epochs: 1, learning_rate: {rate}}}\n")
    found = nlp_transfer.compare([place / "run.yaml", *tmp_path.glob("*.yaml")], output=tmp_path / "o", progress=False)
    controls = json.loads((found.folder / "run" / "metrics.json").read_text())["controls"]
    assert sorted(name.rpartition(" ")[2] for name in controls) == ["(fast)", "(slow)"]


def test_a_table_is_replaced_by_force_only(command, place, tmp_path):
    assert command("vectors", "import", place / "vectors.txt", tmp_path / "table")[0] == 0
    code, _, err = command("vectors", "import", place / "vectors.txt", tmp_path / "table", "--limit", 3)
    assert (code, "holds a table already; choose another folder, or replace it with --force" in err) == (2, True)
    assert command("vectors", "import", place / "vectors.txt", tmp_path / "table", "--limit", 3, "--force")[0] == 0
    assert len(open_vectors(tmp_path / "table").words) == 3
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    code, _, err = command("vectors", "import", place / "vectors.txt", tmp_path / "other")
    assert (code, "exists and is no imported vector folder; name another output" in err) == (4, True)


def test_a_run_that_is_refused_leaves_no_folder(command, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wanted in ([], ["--output", tmp_path / "new" / "run"]):
        code, _, err = command("run", place / "run.yaml", "data.columns.text=nothing", *wanted)
        assert (code, "nothing" in err) == (3, True)
    assert not (tmp_path / "new" / "run").exists()
    assert list(Path("runs").iterdir()) == []


def test_vectors_import_counts_words_and_opens_as_a_source(command, place, tmp_path):
    code, out, _ = command("vectors", "import", place / "vectors.txt", tmp_path / "table", "--limit", 5)
    assert (code, out.strip()) == (0, f"{tmp_path / 'table'}: 5 words x 8")
    code, out, _ = command("check", place / "run.yaml", f"source.name={tmp_path / 'table'}")
    assert code == 0


def test_vectors_train_learns_words_of_a_text(command, tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("good film and a great story\nbad film and a dull story\n" * 50)
    code, out, _ = command("vectors", "train", corpus, tmp_path / "table", "--dim", 6, "--epochs", 1, "--min-count", 60)
    assert (code, out.strip()) == (0, f"{tmp_path / 'table'}: 4 words x 6")


@pytest.mark.slow
def test_signal_during_training_ends_with_its_code_and_one_line(place, tmp_path):  # others: test_interruptions.py
    output, files = tmp_path / "run", (tmp_path / "out", tmp_path / "err")
    keys = ["strategy.kind=full", "training.epochs=100000"]
    process = start(run_command, "run", place / "run.yaml", *keys, "--output", output, files=files, cwd=tmp_path)
    until = time.monotonic() + 120
    while not (output / "history.jsonl").exists() and process.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    process.terminate()
    process.join(60)
    said = files[1].read_text()
    assert process.exitcode == 143, said[-2000:]
    assert "error: terminated" in said
    assert "Traceback" not in said


def test_a_signal_whose_exit_an_import_swallows_still_ends_the_command_with_its_code(command, monkeypatch):
    def half_done(**_):
        with contextlib.suppress(SystemExit):
            signal.raise_signal(signal.SIGINT)
        raise ImportError("cannot load module more than once per process")

    monkeypatch.setattr(cli, "app", half_done)
    monkeypatch.setattr(process, "_stopped", [])
    assert command() == (130, "", "")  # the one line goes straight to the descriptor


@pytest.mark.slow
def test_a_signal_that_comes_in_a_destructor_ends_the_command_all_the_same():
    code = """
import signal, sys
from nlp_transfer.cli import commands as cli
from nlp_transfer.cli.process import main

class Doomed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def app(**_):
    Doomed()
    print("went on")

cli.app = app
sys.argv = ["nlp-transfer"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


@pytest.mark.slow
def test_reader_that_has_had_enough_is_no_failure(finished, tmp_path):
    texts, pipe, said = tmp_path / "texts.txt", tmp_path / "pipe", tmp_path / "err"
    texts.write_text("good film\n" * 20_000)
    os.mkfifo(pipe)
    process = start(run_command, "predict", finished, texts, files=(pipe, said))
    with pipe.open() as reader:
        assert json.loads(reader.readline())["label"] == "positive"
    process.join(120)
    assert (process.exitcode, said.read_text()) == (0, "")
