"""Tiny checkpoints, word vectors, texts and trainers, made in memory, for tests that need a whole model."""

import csv
import itertools
import json
import os
import signal
import string
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from pydantic import TypeAdapter
from safetensors.numpy import save_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    BertTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

import nlp_transfer
from nlp_transfer.config.strategies import Strategy
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.sources import load_source
from nlp_transfer.sources.heads import find_label_rows
from nlp_transfer.strategies import make_plan
from nlp_transfer.training import attempt
from nlp_transfer.training.attempt import Settings
from nlp_transfer.training.loop import Trainer
from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions

ROOT = Path(__file__).parent.parent
GOOD = ["good", "great", "fine", "lovely", "warm", "bright", "funny", "fresh"]
BAD = ["bad", "awful", "dull", "boring", "cold", "dark", "sad", "stale"]
PLAIN = ["the", "a", "film", "story", "plot", "is", "was", "and", "very", "some", "it", "."]
WORDS = [*GOOD, *BAD, *PLAIN]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # the padding id is 1, as in RoBERTa: 0 would hide a slip
LABELS = ("negative", "positive")
HIDDEN = 16
LETTERS = string.ascii_letters + string.digits + "àéêôùüößабвгдеёжзийклмнопрстуфхцчшщъыьэюя"
SINGLE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *string.punctuation, *"«»…’“”–漢字本語"]
PIECES = {piece: row for row, piece in enumerate([*SINGLE, *(f"##{letter}" for letter in LETTERS)])}  # a WordPiece

SPREAD = {"initializer_range": 0.3}  # so that random models answer different texts differently
SMALL = {**SPREAD, "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
FAMILIES = {
    "bert": SMALL,
    "roberta": SMALL,
    "xlm-roberta": SMALL,
    "electra": {**SMALL, "embedding_size": 8},
    "albert": {**SMALL, "embedding_size": 8},
    "deberta-v2": {**SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "mpnet": SMALL,
    "distilbert": {**SPREAD, "dim": HIDDEN, "n_layers": 2, "n_heads": 2, "hidden_dim": 24},
    "modernbert": {**SMALL, "initializer_cutoff_factor": 2.0, "global_attn_every_n_layers": 2, "local_attention": 8},
}
MODERN = {  # those of 2025 and later, all with rotary positions; Ettin and mmBERT are ModernBERTs
    "modernbert": {**FAMILIES["modernbert"], "classifier_pooling": "cls"},
    "eurobert": {**SMALL, "num_key_value_heads": 2, "classifier_pooling": "bos", "mask_token_id": 4},
    "ultrabert": {**SMALL, "num_key_value_heads": 2, "classifier_pooling": "cls", "sliding_window": 8},
    "gte": SMALL,
    "nomic_bert": SMALL,
    "jina_embeddings_v3": SMALL,
}
MIXING = {  # families in which padding reaches a text, mask or not; MobileBERT's padding token must be more than zeros
    "fnet": SMALL,
    "convbert": {**SMALL, "embedding_size": HIDDEN, "head_ratio": 2},
    "yoso": SMALL,
    "nystromformer": SMALL,
    "funnel": {
        **SPREAD,
        **{"block_sizes": [1, 1], "d_model": HIDDEN, "n_head": 2, "d_head": 8, "d_inner": 24},
        "architectures": ["FunnelModel"],  # without which `AutoModel` cannot choose
    },
    "xlnet": {**SPREAD, "d_model": HIDDEN, "n_layer": 2, "n_head": 2, "d_inner": 24},
    "mobilebert": {**SMALL, "embedding_size": HIDDEN, "intra_bottleneck_size": HIDDEN, "true_hidden_size": HIDDEN},
}


def tokenizer():
    """A word-level tokenizer over `WORDS`, framed by `<s>` and `</s>`."""
    backend = Tokenizer(WordLevel({word: i for i, word in enumerate([*SPECIAL, *WORDS])}, unk_token="<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "mask_token": "<mask>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names, **{"pad_token": "<pad>", "unk_token": "<unk>"})


def config(family="bert", **changes):
    """The configuration of a tiny model of a family."""
    tokens = {"pad_token_id": 1, "bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
    shape = (FAMILIES | MODERN | MIXING).get(family, SMALL)
    size = {"vocab_size": len(SPECIAL) + len(WORDS)}
    if "d_model" not in shape:  # those have no table of positions
        size["max_position_embeddings"] = 80
    return AutoConfig.for_model(family, **{**size, **shape, **tokens, **changes})


def save_checkpoint(folder, family="bert", auto=AutoModel, **changes):
    """Save a random model of a family and its tokenizer; returns the folder as a string."""
    torch.manual_seed(0)
    model = auto.from_config(config(family, **changes))
    if family == "mobilebert":
        torch.nn.init.normal_(model.get_input_embeddings().weight)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return str(folder)


def save_word_pieces(folder, **changes):
    """Save a random BERT whose tokenizer is BERT's own, of single characters; returns the folder as a string."""
    torch.manual_seed(0)
    names = {name: PIECES[f"[{token}]"] for name, token in (("pad", "PAD"), ("bos", "CLS"), ("eos", "SEP"))}
    ids = {f"{name}_token_id": row for name, row in names.items()}
    AutoModel.from_config(config("bert", vocab_size=len(PIECES), **ids, **changes)).save_pretrained(folder)
    BertTokenizer(vocab=PIECES, do_lower_case=True).save_pretrained(folder)
    return str(folder)


def save_vectors(path, words=WORDS, dim=8):
    """Save a table in GloVe's text format, good and bad words apart in the first number; returns its name."""
    rows = np.random.default_rng(0).normal(size=(len(words), dim)) * 0.3
    rows[:, 0] += [1.0 if word.lower() in GOOD else -1.0 if word.lower() in BAD else 0.0 for word in words]
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in row)}" for word, row in zip(words, rows, strict=True)]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def texts(count=48, seed=0):
    """Labelled texts of 3 to 16 words: two or three words of one mood among plain ones."""
    rng = np.random.default_rng(seed)
    labels = [i % 2 for i in range(count)]
    found = []
    for label in labels:
        words = [*rng.choice([BAD, GOOD][label], rng.integers(2, 4)), *rng.choice(PLAIN, rng.integers(1, 14))]
        found.append(" ".join(rng.permutation(words)))
    return found, labels


def rows(count=48, seed=0):
    """The same as a data set."""
    found, labels = texts(count, seed)
    return TaskRows({"text": found, "label": labels})


def save_csv(path, count=60, seed=0):
    """The same as a CSV file with label names; returns its name."""
    found, labels = texts(count, seed)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((t, LABELS[i]) for t, i in zip(found, labels, strict=True))])
    return str(path)


def sentiment(**options):
    """The task with two labels."""
    return Sentiment(SentimentOptions(name="sentiment", max_length=32, **options), LABELS)


def plan_for(loaded, strategy, *, units=1000, has_layers=True, scratch=False, **training):
    """Adapt a model to a strategy, as its section of a configuration says it."""
    section = TypeAdapter(Strategy).validate_python(strategy)
    config = TrainingConfig(**training)
    return make_plan(section, config, loaded, units=units, has_layers=has_layers, scratch=scratch)


def make_accelerator():
    """The accelerator of the device that the tests run on: the CPU, unless `make test-gpu` shows them a GPU."""
    return Accelerator(cpu=not torch.cuda.is_available())


@dataclass
class Training:
    """A small training without a run folder: `fit()` gives the history, then `plan.model` is the trained model."""

    source: object
    strategy: dict
    task: Sentiment = field(default_factory=sentiment)
    train: TaskRows = field(default_factory=rows)
    validation: TaskRows = field(default_factory=lambda: rows(16, seed=1))
    epochs: int = 1
    learning_rate: float | str = 0.01
    batch_size: int = 8
    accumulation: int | None = 1
    patience: int | None = None
    label_smoothing: float = 0.0
    cache: Path | None = None
    seed: int = 0

    def __post_init__(self):
        torch.manual_seed(self.seed)
        kind = self.strategy["kind"]
        loaded = self.task.build(self.source, self.train, frozen=kind == "frozen")
        self.loaded = replace(loaded, solvable=self.task.solved_as is not None)
        self.plan = plan_for(
            self.loaded,
            self.strategy,
            has_layers=self.source.has_layers,
            scratch=self.source.scratch,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
        )
        self.tokenizers = Tokenizers(self.source.tokenizer, self.loaded.target_tokenizer)
        self.records = []

    def trainer(self):
        return Trainer(
            plan=self.plan,
            task=self.task,
            train=self.task.encode(self.train, self.tokenizers, training=True),
            validation=self.task.encode(self.validation, self.tokenizers),
            validation_rows=self.validation,
            tokenizers=self.tokenizers,
            accelerator=make_accelerator(),
            settings=Settings(
                batch_size=self.batch_size,
                accumulation=self.accumulation,
                weight_decay=0.01,
                clip=1.0,
                patience=self.patience,
                label_smoothing=self.label_smoothing,
                seed=self.seed,
                cache=self.cache,
                progress=False,
            ),
            record=self.records.append,
        )

    def fit(self):
        """Train on the device of the tests, and bring the model back to the CPU, where tests compare."""
        history = self.trainer().fit()
        self.plan.model.cpu()
        return history


def end_at(step, number):
    """Stand for `attempt.agree`: end a training at a step by a signal. SIGTERM lets it save, SIGKILL does not."""
    agree, steps = attempt.agree, itertools.count()

    def end(accelerator, loss, own):
        if next(steps) < step:
            return agree(accelerator, loss, own)
        if number == signal.SIGKILL:
            os.kill(os.getpid(), number)
        return agree(accelerator, loss, attempt.Request.stop(number))

    return end


def checkpoint(folder, family="bert", **changes):
    """A tiny checkpoint as a source."""
    return load_source("checkpoint", name=save_checkpoint(folder, family, **changes))


def vectors(path, contextualizer="bag", **settings):
    """A tiny table as a source."""
    words = settings.pop("words", WORDS)
    return load_source("vectors", name=save_vectors(path, words), contextualizer=contextualizer, width=8, **settings)


def run(output, source, strategy, data, *, head=None, **training):
    """A run of the sentiment task on a CSV; `source` is a section, or the name of a checkpoint."""
    settings = {
        "task": {"name": "sentiment", "max_length": 32, "head": head or {}},
        "source": source if isinstance(source, dict) else {"kind": "checkpoint", "name": str(source)},
        "strategy": strategy,
        "data": {"train": data},
        "training": {"epochs": 1, "batch_size": 8, "precision": "fp32", **training},
    }
    return nlp_transfer.run(settings, output=output, progress=False)


def save_swapped(model, tokenizer, folder):
    """Save a classifier of two labels so that it answers the same, its labels and their rows in the other order."""
    with torch.no_grad():
        for parameter in find_label_rows(model, AutoModelForSequenceClassification.from_config, 2).values():
            parameter.copy_(parameter.flip(0))
    first, second = model.config.id2label.values()
    model.config.id2label, model.config.label2id = {0: second, 1: first}, {second: 0, first: 1}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def note_what_is_tokenized(monkeypatch):
    """Note the lengths of all texts that tokenizers are given from now on, in characters."""
    noted, call = [], PreTrainedTokenizerBase.__call__

    def noting(self, text, *others, **settings):
        noted.extend(map(len, [text] if isinstance(text, str) else text))
        return call(self, text, *others, **settings)

    monkeypatch.setattr(PreTrainedTokenizerBase, "__call__", noting)
    return noted


def run_python(code, *arguments, cwd=None):
    """Run code in a fresh process; returns what it printed."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tasks")])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


MODULE = "sentence_transformers.models."  # as versions 2 to 5 name classes
NEWER = {  # as version 6 does
    "Transformer": "sentence_transformers.base.modules.transformer.",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.",
    "Dense": "sentence_transformers.base.modules.dense.",
    "Normalize": "sentence_transformers.base.modules.normalize.",
}


def save_sentence_folder(folder, modules, *, prompts=None, default=None, newer=True, longest=32):
    """Save a tiny BERT with modules behind it, as sentence-transformers does; returns the folder as a string.

    Its numbers come from NumPy, so that they are the same with every version of PyTorch.

    Args:
        folder: is made.
        modules: (kind, the content of its config.json) of each module behind the encoder.
        prompts: name -> text.
        default: the name of the prompt that is used unless told.
        newer: in the layout of version 6, else in that of version 2.
        longest: the tokens that it was made for.
    """
    draw = np.random.default_rng(0)
    model = AutoModel.from_config(config())
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            parameter.copy_(torch.from_numpy(draw.normal(size=parameter.shape) * 0.3))
    model.save_pretrained(folder)
    names = tokenizer()
    names.model_max_length = longest
    names.save_pretrained(folder)

    def write(name, values):
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values))

    kinds = ["Transformer", *(kind for kind, _ in modules)]
    folders = ["", *(f"{number}_{kind}" for number, kind in enumerate(kinds[1:], 1))]
    entries = zip(kinds, folders, strict=True)
    homes = NEWER if newer else {}
    listed = [{"path": path, "type": f"{homes.get(kind, MODULE)}{kind}"} for kind, path in entries]
    write("modules.json", [{"idx": i, "name": str(i), **one} for i, one in enumerate(listed)])
    write("config_sentence_transformers.json", {"prompts": prompts or {}, "default_prompt_name": default})
    write("sentence_bert_config.json", {} if newer else {"max_seq_length": longest, "do_lower_case": False})
    for (kind, values), path in zip(modules, folders[1:], strict=True):
        width = {"embedding_dimension" if newer else "word_embedding_dimension": HIDDEN} if kind == "Pooling" else {}
        write(f"{path}/config.json", {**width, **values})
        if kind == "Dense":
            shapes = {"linear.weight": (values["out_features"], values["in_features"])}
            shapes |= {"linear.bias": (values["out_features"],)} if values.get("bias", True) else {}
            weights = {name: draw.normal(size=shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
            save_file(weights, Path(folder) / path / "model.safetensors")
    return str(folder)


def dense(inputs, outputs, activation="Tanh", *, bias=True):
    """The config.json of a dense layer of sentence-transformers."""
    kinds = {"Identity": "torch.nn.modules.linear.Identity"}
    function = kinds.get(activation, f"torch.nn.modules.activation.{activation}")
    return {"in_features": inputs, "out_features": outputs, "bias": bias, "activation_function": function}


def save_writer(folder, family, **changes):
    """Save a random model that writes, whose weights are far apart, with the tiny tokenizer; returns it."""
    sizes = {"layers": 2, "attention_heads": 2, "ffn_dim": 24}
    layers = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in sizes.items()}
    shape = {"d_model": 16, "max_position_embeddings": 64, "init_std": 0.4, **layers}
    if family == "t5":
        shape = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "initializer_factor": 3.0}
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2, "vocab_size": 33}
    torch.manual_seed(0)
    given = {**ids, **shape, "forced_eos_token_id": None, **changes}
    model = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model(family, **given)).eval()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return model
