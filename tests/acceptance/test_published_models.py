"""Promise 30: every kind of model, published, answers the same in a fresh process with an empty cache.

All are trained, published and asked in one test: what that takes is most of its time.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from apart import run_apart
from hub_client import PATHS, connect, run_of, strangers
from hub_server import HubServer
from tiny import LABELS, config, save_checkpoint, save_csv, save_vectors, save_word_pieces, tokenizer

import nlp_transfer
from nlp_transfer.runs.probes import are_alike
from nlp_transfer.sources import load_source


def save_pairs(path):
    words = ["good", "great", "film", "story", "plot", "sad"]
    lines = [{"en": f"the {a} {b}", "fr": f"le {b} {a}"} for a in words for b in words]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def save_documents(path):
    words = ["good", "great", "film", "story", "plot", "sad"]
    lines = [
        {"text": f"{a} {b} . the {b} is very {a} . a film .", "summary": f"{a} {b} ."} for a in words for b in words
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


REVIEWS = {"task": {"name": "sentiment", "max_length": 32}}
WRITING = {"max_length": 32, "max_target_length": 8, "decoder": {"layers": 1, "width": 64, "vocabulary": 320}}
PAIRS = {"task": {"name": "translation", **WRITING, "generation": {"beams": 2}}}
EXTRACTS = {"task": {"name": "summarization", "max_length": 64, "scorer": {"width": 8}}}
SETS = {"task": {"name": "multilabel", "max_length": 32}}
KINDS_OF_MODEL = {  # name -> task, source, strategy: every pair that is saved in a way of its own
    "adapter": (REVIEWS, "me/base", {"kind": "lora", "rank": 2}),
    "frozen": (REVIEWS, "bert", {"kind": "frozen"}),
    "static-cnn": (REVIEWS, "cnn", {"kind": "frozen"}),
    "static-lora": (REVIEWS, "bag", {"kind": "lora", "rank": 2}),
    "multilabel-lora": (SETS, "bert", {"kind": "lora", "rank": 2}),
    "multilabel-static": (SETS, "bilstm", {"kind": "frozen"}),
    "together-reviews": (REVIEWS, "bert", {"kind": "full"}),
    "together-sets": (SETS, "bert", {"kind": "full"}),
    "translation-lora": (PAIRS, "bert", {"kind": "lora", "rank": 2}),
    "translation-pieces": ({"task": {**PAIRS["task"], "decoder": {"source": "me/pieces"}}}, "bert", {"kind": "full"}),
    "translation-static": (PAIRS, "transformer", {"kind": "full"}),
    "translation-t5": ({"task": {**PAIRS["task"], "decoder": {}, "prefix": "the "}}, "t5", {"kind": "full"}),
    "abstractive": ({"task": {"name": "summarization", "style": "abstractive", **WRITING}}, "bert", {"kind": "full"}),
    "extractive": (EXTRACTS, "bert", {"kind": "full"}),
    "extractive-static": (EXTRACTS, "bag", {"kind": "frozen"}),
}


def save_t5(folder):
    from transformers import AutoModelForSeq2SeqLM, T5Config

    size = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "vocab_size": config().vocab_size}
    made = T5Config(**size, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=1)
    AutoModelForSeq2SeqLM.from_config(made).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def train_together(root, source, data):
    """Train two tasks on one encoder, and give each run the place that it would have alone: name -> folder."""
    wanted = {name: task for name, (task, _, _) in KINDS_OF_MODEL.items() if name.startswith("together-")}
    tasks = [{"name": name, **task, "data": data[task["task"]["name"]]} for name, task in wanted.items()]
    training = {"epochs": 1, "batch_size": 16, "precision": "fp32"}
    common = {"source": source, "strategy": {"kind": "full"}, "training": training}
    nlp_transfer.run_tasks({"tasks": tasks, **common}, output=root / "together", progress=False)
    return {name: (root / "together" / name).rename(root / name) for name in wanted}


@pytest.fixture
def shelf(tmp_path):
    """The Hub, with every kind of model, trained and published, and the folder of the runs."""
    root = tmp_path / "shelf"
    root.mkdir()
    bert = save_checkpoint(root / "bert")
    table = {"kind": "vectors", "name": save_vectors(root / "v.txt"), "width": 8}
    sources = {name: {**table, "contextualizer": name} for name in ("bag", "cnn", "bilstm", "transformer")}
    names = {"bert": bert, "me/base": "me/base", "t5": save_t5(root / "t5")}
    sources |= {name: {"kind": "checkpoint", "name": place} for name, place in names.items()}
    data = {
        "sentiment": {"train": save_csv(root / "reviews.csv")},
        "multilabel": {"train": save_csv(root / "reviews.csv"), "columns": {"labels": "label"}},
        "translation": {"train": save_pairs(root / "p.jsonl"), "columns": {"source": "en", "target": "fr"}},
        "summarization": {"train": save_documents(root / "d.jsonl")},
    }
    with HubServer() as server, pytest.MonkeyPatch.context() as patch:
        connect(server, patch, root / "cache")
        base = {path.name: path.read_bytes() for path in Path(bert).iterdir()}
        server.make("me/base", files={**base, "README.md": b"---\nlicense: mit\n---\n"})
        pieces = Path(save_word_pieces(root / "pieces"))
        server.make("me/pieces", files={path.name: path.read_bytes() for path in pieces.iterdir()})
        together = train_together(root, sources["bert"], data)
        for name, (task, source, strategy) in KINDS_OF_MODEL.items():
            given = {**task, "source": sources[source], "strategy": strategy, "data": data[task["task"]["name"]]}
            run = together[name] if name in together else run_of(root / name, **given)
            licence = None if source == "me/base" else "mit"
            options = {"licence": licence, "adapter_only": name == "adapter", "verify": False}  # it is read back below
            nlp_transfer.publish(run, f"me/{name}", **options)
        yield server, root


def probes(root, name):
    lines = (root / name / "probes.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


OURS = """
import json, os, sys, nlp_transfer
asked, cards = map(json.loads, sys.argv[1:])
answers = {name: nlp_transfer.load(f"me/{name}").predict(texts) for name, texts in asked.items()}
for place, blocks in cards:
    os.chdir(place)
    for block in blocks:
        exec(compile(block, place, "exec"), {})
print(json.dumps([answers, len(cards)]))
"""
PLAIN = """
import json, sys
sys.modules["nlp_transfer"] = None
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline
from huggingface_hub import file_exists

def classify(name, texts, trust):
    ask = pipeline("text-classification", f"me/{name}", trust_remote_code=trust, top_k=None)
    answers = ask(texts, truncation=True, max_length=32)
    return [{one["label"]: one["score"] for one in answer} for answer in answers]

def write(name, texts, trust):
    place = f"me/{name}"
    source = target = AutoTokenizer.from_pretrained(place, trust_remote_code=trust)
    if file_exists(place, "target_tokenizer/tokenizer.json"):
        target = AutoTokenizer.from_pretrained(place, subfolder="target_tokenizer")
    model = AutoModelForSeq2SeqLM.from_pretrained(place, trust_remote_code=trust)
    inputs = [source(text, return_tensors="pt", return_token_type_ids=False) for text in texts]
    return [target.decode(model.generate(**one)[0], skip_special_tokens=True).strip() for one in inputs]

asked = json.loads(sys.argv[1])
uses = {"probabilities": classify, "translation": write, "summary": write}
print(json.dumps({name: uses[use](name, texts, trust) for name, (use, texts, trust) in asked.items()}))
"""
ALONE = """
import json, sys
sys.modules["nlp_transfer"] = None
exec(compile(sys.argv[1], "card", "exec"), {})
print(1)
"""
BY_THEMSELVES = ("translation-static", "static-cnn")  # each in a process that has met no other model

AT_HOME = ("adapter", "static-cnn", "together-sets", "translation-lora", "abstractive", "extractive")  # a card before


def snippets(card):
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


def see_writer(root):
    """A published writer as a source brings its target tokenizer."""
    own = nlp_transfer.load(root / "translation-lora").tokenizers.target
    assert load_source("checkpoint", name="me/translation-lora").target_tokenizer.get_vocab() == own.get_vocab()
    assert load_source("checkpoint", name="me/together-reviews").target_tokenizer is None


def see_adapter(tree):
    """An adapter alone names its base and holds no merged weights."""
    assert "model.safetensors" not in tree
    assert "config.json" not in tree
    assert json.loads(tree["adapter_config.json"])["base_model_name_or_path"] == "me/base"
    said = yaml.safe_load(tree["README.md"].decode().split("---\n")[1])
    assert (said["base_model"], said["base_model_relation"], said["library_name"]) == (["me/base"], "adapter", "peft")
    assert said["license"] == "mit"  # read off the card of the base


def see_places(server, root):
    """No published file of any kind tells a place of this machine."""
    places = [str(one).encode() for one in (Path.home(), Path.cwd(), root)]
    for name, repository in server.repositories.items():
        for path, content in repository.tree().items():
            assert not [place for place in places if place in content], (name, path)
    assert server.leaks == []


FORGET = """
import os, shutil
for name in ("hub", "modules"):
    shutil.rmtree(os.path.join(os.environ["HF_HOME"], name), ignore_errors=True)
"""


class Said(NamedTuple):
    """What processes with an empty cache say, those without this package first."""

    alone: list[int]  # of the snippets of cards alone
    others: dict[str, list]  # of every model that transformers opens
    asked: dict[str, tuple]  # what these were asked
    ours: dict[str, list]  # of every model, by its id
    tried: int  # number of cards whose snippets ran
    cards: int  # number of cards


def ask(server, root, home):
    """What others and users of this package say, who have met neither this process nor each other's caches."""
    published = {name: server.repositories[f"me/{name}"].tree()["README.md"].decode() for name in KINDS_OF_MODEL}
    alone = [(ALONE, snippets(published[name])[0]) for name in BY_THEMSELVES]
    asked = ask_others(root)

    cards = [(root / name, (root / name / "README.md").read_text()) for name in AT_HOME]
    cards += [(home, published[name]) for name in KINDS_OF_MODEL]
    blocks = [(str(place), snippets(card)) for place, card in cards]
    assert all(1 <= len(found) <= 2 for _, found in blocks)
    assert not re.search(r'pipeline\("(?!text-classification)', "".join(card for _, card in cards))
    inputs = {name: [one["input"] for one in probes(root, name)] for name in KINDS_OF_MODEL}

    parts = [(PLAIN, json.dumps(asked)), (FORGET,), (OURS, json.dumps(inputs), json.dumps(blocks))]
    say = strangers(*alone, *parts, server=server, home=home, PYTHONPATH=PATHS)
    number = len(alone)
    ours, tried = say(number + 2)
    return Said(
        alone=[say(one) for one in range(number)],
        others=say(number),
        asked=asked,
        ours=ours,
        tried=tried,
        cards=len(cards),
    )


def ask_others(root):
    """What to ask of each model that transformers opens alone: name -> use, texts, whether its code is trusted."""
    asked = {}
    for name, (task, _, _) in KINDS_OF_MODEL.items():
        answers = {"sentiment": "probabilities", "multilabel": "probabilities", "translation": "translation"}
        use = answers.get(task["task"]["name"], "summary")
        texts = [task["task"].get("prefix", "") + str(one["input"]) for one in probes(root, name)]
        trust = "static" in name or name == "frozen"
        if name not in {"adapter", "extractive", "extractive-static", "abstractive"}:
            asked[name] = use, texts, trust
    return asked


def test_what_a_process_says_before_it_fails_is_no_answer(tmp_path):
    (tmp_path / "torch.py").write_text("def set_num_threads(count): ...")
    (tmp_path / "transformers.py").write_text("def __getattr__(name): ...")  # what takes seconds to import
    said = run_apart(("print(1); 1 / 0",), ("print(1)",), cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert said(1) == 1
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        said(0)


@pytest.mark.slow
def test_every_kind_of_model_once_published_answers_everybody_as_it_did(shelf, tmp_path):
    server, root = shelf
    see_writer(root)
    see_adapter(server.repositories["me/adapter"].tree())
    see_places(server, root)

    (tmp_path / "home").mkdir()
    said = ask(server, root, tmp_path / "home")
    assert said.alone == [1] * len(BY_THEMSELVES), "transformers alone runs the snippet of a model on word vectors"
    assert said.tried == said.cards, "the snippets of every card run, before and after publishing"
    for name in KINDS_OF_MODEL:
        for one, again in zip(probes(root, name), said.ours[name], strict=True):
            assert are_alike(one["said"], again), f"{name}, loaded by its id"
    assert tuple(said.ours["adapter"][0]["probabilities"]) == LABELS
    for name, (use, _, _) in said.asked.items():
        for one, again in zip(probes(root, name), said.others[name], strict=True):
            assert are_alike(one["said"][use], again), f"{name}, opened with transformers alone, with label names"
