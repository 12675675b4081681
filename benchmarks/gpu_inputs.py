"""Data and models for benchmarks on a GPU, made here: random weights of BERT-base's shape need no download."""

import json
import random
from pathlib import Path
from typing import Any

from benchmarks.inputs import read_records, write_records

MOODS = {"negative": "bad", "positive": "good"}
TINY = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
BASE = {"num_hidden_layers": 12}
VOCABULARY = 30_522


def make_words(count: int) -> list[str]:
    """Words of letters, all different."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(letters[number // 26**place % 26] for place in range(4)) for number in range(count)]


def write_texts(folder: Path, *, rows: int, held: int, data: Path | None) -> None:
    """Write train, validation and test as JSONL, and pairs for a translator.

    Args:
        folder: to write to.
        rows: of train.
        held: rows of validation and test each.
        data: a folder with train and dev (`text`, `label`); None: texts of 3 to 60 words, 23 on average, whose label
            is that of the words that only it has.
    """
    generator = random.Random(0)  # noqa: S311 - made data
    if data is None:
        records = [_make_text(generator, number) for number in range(rows + 2 * held)]
    else:
        records = [*read_records(data, "train"), *read_records(data, "dev")]
        generator.shuffle(records)

    splits = {"validation": records[:held], "test": records[held : 2 * held], "train": records[2 * held :][:rows]}
    for name, chosen in splits.items():
        write_records(folder / f"{name}.jsonl", chosen)
        pairs = [{"en": one["text"], "fr": " ".join(reversed(one["text"].split()[:20]))} for one in chosen]
        write_records(folder / "pairs" / f"{name}.jsonl", pairs)


def _make_text(generator: random.Random, number: int) -> dict[str, str]:
    words, label = make_words(2000), list(MOODS)[number % 2]
    length = min(60, max(3, round(generator.gammavariate(2.3, 10))))
    moods = [f"{MOODS[label]}{generator.randrange(50)}" for _ in range(1 + length // 8)]
    text = moods + generator.choices(words, k=max(0, length - len(moods)))
    generator.shuffle(text)
    return {"text": " ".join(text), "label": label}


def save_model(folder: Path, texts: Path, *, tiny: bool, **changes: Any) -> tuple[int, int]:
    """Save a classifier of random weights with a tokenizer of the texts' words.

    Returns:
        How many numbers the matrices of its layers hold, and how many layers there are.
    """
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    size = 1000 if tiny else VOCABULARY
    listed = [*special.values(), "[MASK]"]
    lines = [json.loads(line)["text"] for line in texts.read_text(encoding="utf-8").splitlines()]
    words.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=size, special_tokens=listed))
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, mask_token="[MASK]", model_max_length=512, **special)

    torch.manual_seed(0)
    shape: dict[str, Any] = TINY if tiny else BASE
    model = BertForSequenceClassification(BertConfig(vocab_size=size, **shape, **changes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    matrices = [one for name, one in model.named_parameters() if one.ndim > 1 and "embeddings" not in name]
    return sum(one.numel() for one in matrices), model.config.num_hidden_layers
