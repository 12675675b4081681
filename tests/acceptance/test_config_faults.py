"""Promises 21 to 23: hostile configurations and command lines, one row a case, answered at once."""

import json

import pytest
from faults import CONFIG, case, refused, save_data, snapshot, write
from tiny import run_python

TOKEN = "hf_" + "a1B2" * 9
TASK = b"task: {name: sentiment}\n"
GOOD = TASK + b"data: {train: a.csv}\n"
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % ((one, one, *[one - 1] * 8)) for one in b"bcdefghi"
)
FAULTS = {
    "no such file": case("b.yaml", GOOD, "a.yaml: no such file"),
    "a penalty without a beam": case(
        "a.yaml",
        b"task: {name: translation, generation: {beams: 1, length_penalty: 2.0}}\ndata: {train: a.csv}\n",
        "a.yaml: task.generation: length_penalty: of a beam search",
    ),
    "empty": case("a.yaml", b"", "a.yaml: the file is empty", "`task:` and `data:`"),
    "only a comment": case("a.yaml", b"# later\n", "a.yaml: the file is empty"),
    "a list at the root": case("a.yaml", b"- task\n- data\n", "a.yaml: expected `key: value` sections", "found a list"),
    "a word at the root": case("a.yaml", b"sentiment\n", "a.yaml: expected `key: value` sections", "found a str"),
    "an empty tag": case("a.yaml", GOOD + b"x: !!int\n", "a.yaml, line 3: '' is no !!int; write a plain value"),
    "a tag that does not fit": case("a.yaml", GOOD + b"x: !!timestamp soon\n", "a.yaml, line 3: 'soon' is no "),
    "a key twice": case("a.yaml", GOOD + TASK, "a.yaml, line 3: key 'task' appears twice"),
    "a key twice inside": case("a.yaml", b"task: {name: a, name: b}\n", "a.yaml, line 1: key 'name' appears twice"),
    "a Python object": case("a.yaml", b"task: !!python/object/apply:os.system [touch evil]\n", "a.yaml, line 1: the"),
    "a Python name": case("a.yaml", GOOD + b"x: !!python/name:os.system\n", "a.yaml, line 3: the tag !!python/name"),
    "a tag of one's own": case("a.yaml", GOOD + b"x: !run [a]\n", "a.yaml, line 3: the tag !run"),
    "an alias bomb": case("a.yaml", BOMB + GOOD, "a.yaml, line 2: YAML aliases (*name) are not supported"),
    "an anchor merged": case("a.yaml", b"task: &t {name: a}\ndata: {<<: *t}\n", "a.yaml, line 2: YAML aliases"),
    "not a number": case("a.yaml", GOOD + b"training: {learning_rate: .nan}\n", "a.yaml: training.learning_rate: "),
    "infinite": case("a.yaml", GOOD + b"training: {clip: .inf}\n", "a.yaml: training.clip: ", "finite number"),
    "a date for a number": case("a.yaml", GOOD + b"training: {epochs: 2020-01-01}\n", "a.yaml: training.epochs: "),
    "an impossible date": case("a.yaml", GOOD + b"output: 2020-99-99\n", "a.yaml, line 3: "),
    "open bracket": case("a.yaml", GOOD + b"training: {epochs: 1\n", "a.yaml, line "),
    "a tab for spaces": case("a.yaml", b"task:\n\tname: sentiment\n", "a.yaml, line 2: "),
    "latin-1": case("a.yaml", GOOD + b"output: caf\xe9\n", "a.yaml: is not UTF-8 text: byte "),
    "a NUL": case("a.yaml", GOOD + b"output: a\0b\n", "a.yaml, line 3: "),
    "deep nesting": case("a.yaml", b"[" * 1000, "a.yaml, line 1: nested too deeply"),
    "a key that is a list": case("a.yaml", b"? [a]\n: b\n", "a.yaml, line 1: a key must be a plain word"),
    "two documents": case("a.yaml", GOOD + b"---\n" + GOOD, "a.yaml, line 3: "),
    "a token": case("a.yaml", GOOD + b"output: " + TOKEN.encode() + b"\n", "a.yaml, line 3: a Hub token (hf_a1B...)"),
    "unknown key": case("a.yaml", GOOD + b"trainig: {}\n", "a.yaml: trainig: unknown key.", "Did you mean 'training'?"),
    "unknown key inside": case("a.yaml", GOOD, "a.yaml with data.trian=b: data.trian: unknown key.",
                               "Did you mean 'train'?", keys=["data.trian=b"]),
    "unknown key of a task": case("a.yaml", GOOD, "a.yaml with ", "task.maxlength: unknown key",
                                  "Did you mean 'max_length'?", keys=["task.maxlength=5"]),
    "key of another task": case("a.yaml", GOOD, "a.yaml with ", "task.style: unknown key", keys=["task.style=x"]),
    "unknown task": case("a.yaml", b"task: {name: sentimnt}\ndata: {train: a}\n", "a.yaml: task: ", "'sentiment'?"),
    "no task": case("a.yaml", b"data: {train: a.csv}\n", "a.yaml: task: is required"),
    "no data": case("a.yaml", TASK, "a.yaml: data: is required"),
    "unknown strategy": case("a.yaml", GOOD, "a.yaml with ", "strategy.kind: unknown kind 'loar'", "'lora'?",
                             keys=["strategy.kind=loar"]),
    "a word for a number": case("a.yaml", GOOD, "a.yaml with ", "training.epochs: ", "received 'many'",
                                keys=["training.epochs=many"]),
    "a number out of range": case("a.yaml", GOOD, "a.yaml with ", "training.batch_size: ", "greater than or equal to 1",
                                  keys=["training.batch_size=0"]),
    "a value for a section": case("a.yaml", GOOD, "a.yaml with ", "expected a section", keys=["training=3"]),
    "a key below a value": case("a.yaml", GOOD, "'task.name.x=1': task.name is a value", "set it by task.name=VALUE",
                                keys=["task.name.x=1"]),
    "an override without a value": case("a.yaml", GOOD, "'training.epochs' is not KEY=VALUE", keys=["training.epochs"]),
    "an override that is no YAML": case("a.yaml", GOOD, "'data.train=[a': ", keys=["data.train=[a"]),
    "an alias in an override": case("a.yaml", GOOD, "'data.train=*a': YAML aliases", keys=["data.train=*a"]),
    "a token in an override": case("a.yaml", GOOD, "command line: a Hub token (hf_a1B...)", "hf auth login",
                                   keys=[f"source.name={TOKEN}"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("verb", ["run", "check", "compare"])
def test_a_hostile_configuration_is_answered_by_one_line(command, here, verb, name):
    one = FAULTS[name]
    write(here, one.files)
    keys = [word for key in one.keys for word in (["--set", key] if verb == "compare" else [key])]
    message = refused(command, here, [verb, "a.yaml", *keys], CONFIG, *one.words)
    assert TOKEN not in message


def test_several_mistakes_are_listed_at_once(command, here):
    write(here, {"a.yaml": GOOD + b"training: {epoch: 3, batch_size: -1, learning_rate: fast}\nsorce: {}\n"})
    code, out, err = command("run", "a.yaml")
    assert (code, out) == (CONFIG, "")
    first, *found = err.splitlines()
    assert first == "error: a.yaml: 4 problems"
    paths = ["training.epoch: ", "training.batch_size: ", "training.learning_rate: ", "sorce: "]
    assert sorted(line.strip().partition(" ")[0] for line in found) == sorted(path.strip() for path in paths)
    assert "Did you mean 'source'?" in err


def test_a_task_without_a_name_is_answered_with_what_is_missing(command, here):
    write(here, {"a.yaml": b"task: {kind: sentiment}\ndata: {train: a.csv}\n"})
    code, out, err = command("check", "a.yaml")
    assert (code, out) == (CONFIG, "")
    assert "task.name: is required" in err
    assert "task.kind: unknown key. Known: metrics, name" in err


@pytest.mark.parametrize("words", ["3e-4", "3E-4", "0.0003", "3.0e-04"])
def test_rates_are_numbers_however_they_are_written(command, configs, here, words):
    data = save_data(here)["sentiment"]
    keys = [f"data.train={data}", f"training.learning_rate={words}"]
    code, out, _ = command("check", configs / "sentiment.yaml", *keys, "strategy.solver=gradient")
    assert code == 0
    assert "learning_rate: 0.0003" in out


EARLY = {  # what is answered before torch is loaded: verb and arguments, exit code
    "no configuration": (["run", "no.yaml"], 2),
    "unknown key": (["run", "good.yaml", "training.epoch=1"], 2),
    "wrong type": (["check", "good.yaml", "training.epochs=x"], 2),
    "data that is not there": (["run", "good.yaml", "data.train=no.csv"], 3),
    "parallel files that are not there": (["check", "good.yaml", "data.test={text: a.txt, label: b.txt}"], 3),
    "compare": (["compare", "good.yaml", "no.yaml"], 2),
    "no run": (["predict", "no-run"], 4),
    "output that exists": (["predict", ".", "good.yaml", "--output", "good.yaml"], 2),
    "texts that are not there": (["predict", ".", "no.txt"], 3),
    "labelled file that is not there": (["evaluate", ".", "--data", "no.csv"], 3),
    "a token": (["run", TOKEN], 2),
}
PROBE = """
import contextlib, io, json, sys
from nlp_transfer.cli.process import main
results = {}
for name, arguments in json.loads(sys.argv[1]).items():
    sys.argv = ["nlp-transfer", *arguments]
    code = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
    heavy = [one for one in ("torch", "transformers", "datasets", "accelerate") if one in sys.modules]
    results[name] = code, out.getvalue(), err.getvalue(), heavy
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """What a fresh process answers to each command: exit code, stdout, stderr, and what is loaded by then."""
    folder = tmp_path_factory.mktemp("early")
    write(folder, {"good.yaml": GOOD, "a.csv": b"text,label\n"})
    return json.loads(run_python(PROBE, json.dumps({name: given for name, (given, _) in EARLY.items()}), cwd=folder))


@pytest.mark.parametrize("name", EARLY)
def test_a_mistake_is_answered_before_torch_is_loaded(early, name):
    code, out, err, loaded = early[name]
    assert (code, out, loaded) == (EARLY[name][1], "", []), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_token_of_the_environment_is_in_no_file_and_no_output(command, configs, here, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, err = command(
        "run", configs / "sentiment.yaml", f"data.train={save_data(here)['sentiment']}", "--output", "run"
    )
    assert code == 0
    assert TOKEN not in out + err
    assert len(snapshot(here / "run")) > 8
    assert not [path for path in snapshot(here / "run") if TOKEN.encode() in open(path, "rb").read()]  # noqa: PTH123, SIM115
