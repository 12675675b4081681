"""fastText models: subwords give unknown words the vectors that gensim gives them."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.batches import collate
from nlp_transfer.models.encoding.documents import encode_documents
from nlp_transfer.sources import load_source
from nlp_transfer.sources.vectors.binary import FASTTEXT_HEADER
from nlp_transfer.sources.vectors.fasttext import Subwords
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors

UNKNOWN = ["unheard", "caféine", "日本語", "x", "", "İstanbul", "a b", "🙂🙃"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A trained gensim model and the Facebook binary it wrote."""
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    sentences = [["the", "café", "serves", "naïve", "日本", "tea"], ["tea", "the", "unserved"]] * 20
    model = FastText(sentences, vector_size=6, min_count=1, bucket=50, min_n=2, max_n=4, epochs=2, workers=1, seed=3)
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    save_facebook_model(model, str(path))
    return model.wv, path


@pytest.fixture(params=["opened", "imported"])
def table(request, model, tmp_path):
    _, path = model
    return open_vectors(path) if request.param == "opened" else import_vectors(path, tmp_path / "out")


def test_known_words_get_the_vectors_of_gensim(model, table):
    keyed, _ = model
    assert list(table.words) == keyed.index_to_key
    np.testing.assert_allclose(table.vectors, keyed.vectors, atol=1e-6)


@pytest.mark.parametrize("word", UNKNOWN)
def test_unknown_words_get_the_vectors_of_gensim(model, table, word):
    keyed, _ = model
    np.testing.assert_allclose(table.subwords.compute_vector(word), keyed[word], atol=1e-6)


@given(
    word=st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lengths=st.tuples(st.integers(1, 4), st.integers(1, 6)),
)
def test_ngrams_hash_as_in_gensim_and_in_its_order(word, lengths):
    from gensim.models.fasttext import ft_ngram_hashes

    subwords = Subwords(np.zeros((1000, 1), dtype=np.float32), *lengths)
    ids = subwords.find_ids(word)
    assert sorted(ids) == sorted(ft_ngram_hashes(word, *lengths, 1000))
    assert ids.dtype == np.int64


def test_half_a_surrogate_pair_has_ids_too():
    assert len(Subwords(np.zeros((10, 1), dtype=np.float32), 2, 3).find_ids("\ud800"))


def test_limit_keeps_all_subwords(model):
    keyed, path = model
    table = open_vectors(path, limit=2)
    assert len(table.words) == 2
    np.testing.assert_allclose(table.subwords.compute_vector("unheard"), keyed["unheard"], atol=1e-6)


def test_an_imported_model_memory_maps_its_ngrams(model, tmp_path):
    assert isinstance(import_vectors(model[1], tmp_path / "out").subwords.ngrams, np.memmap)


def test_the_end_of_sentence_has_no_ngrams_as_in_fasttext_itself(tmp_path):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    model = FastText([["tea", "</s>"]] * 20, vector_size=6, min_count=1, bucket=50, epochs=1, workers=1)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    table = open_vectors(tmp_path / "model.bin")
    row = model.wv.key_to_index["</s>"]
    np.testing.assert_array_equal(table.vectors[row], model.wv.vectors_vocab[row])


def test_a_missing_ngram_file_is_a_damaged_import(model, tmp_path):
    import_vectors(model[1], tmp_path / "out")
    (tmp_path / "out" / "ngrams.npy").unlink()
    with pytest.raises(SourceError, match="import the vectors again"):
        open_vectors(tmp_path / "out")


def matrix_start(content: bytes, dim: int = 6, buckets: int = 50) -> int:
    """Where the input matrix starts: its header says rows and dimension."""
    words = struct.unpack_from("<i", content, FASTTEXT_HEADER.size)[0]
    return content.index(struct.pack("<qq", words + buckets, dim)) + 16


def test_a_truncated_model_is_refused(model, tmp_path):
    content = model[1].read_bytes()
    for end in [4, 20, 70, 100, 150, matrix_start(content) - 10, matrix_start(content) + 40]:
        path = tmp_path / "model.bin"
        path.write_bytes(content[:end])
        with pytest.raises(SourceError, match=r"model\.bin"):
            open_vectors(path)


@pytest.mark.parametrize("field", range(2, 14))
@pytest.mark.parametrize("value", [-1, 0, 2**31 - 1])
def test_a_forged_header_never_gives_anything_but_a_table_or_a_source_error(model, tmp_path, field, value):
    content = bytearray(model[1].read_bytes())
    struct.pack_into("<i", content, 4 * field, value)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    try:
        assert open_vectors(path).dim == 6
    except SourceError as error:
        assert "model.bin" in str(error)  # noqa: PT017 - both ends are allowed


def test_a_matrix_larger_than_the_file_is_refused(model, tmp_path):
    content = bytearray(model[1].read_bytes())
    struct.pack_into("<q", content, matrix_start(content) - 16, 2**60)
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"promises 1152921504606846976 x 6"):
        open_vectors(path)


def test_nan_in_an_ngram_is_refused(model, tmp_path):
    content = bytearray(model[1].read_bytes())
    words = len(model[0].index_to_key)
    # A bucket that no word of the dictionary uses, so that only the n-gram scan can see it.
    used = {id_ for word in model[0].index_to_key for id_ in Subwords(np.zeros((50, 1)), 2, 4).find_ids(word)}
    free = next(bucket for bucket in range(50) if bucket not in used)
    struct.pack_into("<f", content, matrix_start(content) + 4 * 6 * (words + free), float("nan"))
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    for action in (open_vectors, lambda path: import_vectors(path, tmp_path / "out")):
        with pytest.raises(SourceError, match=f"n-gram bucket {free}"):
            action(path)


def test_a_packed_model_says_how_to_unpack_it(model, tmp_path):
    import gzip

    path = tmp_path / "model.bin.gz"
    path.write_bytes(gzip.compress(model[1].read_bytes()))
    with pytest.raises(SourceError, match="gunzip"):
        open_vectors(path)


def test_a_word_too_short_for_any_ngram_is_unknown_and_no_other(tmp_path):
    from gensim.models import FastText
    from gensim.models.fasttext import save_facebook_model

    model = FastText([["the", "film"]] * 20, vector_size=6, min_count=1, bucket=50, min_n=5, max_n=5, epochs=1)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    source = load_source("vectors", name=str(tmp_path / "model.bin"))
    texts = ["unheardofword", "xy", "unheardofword xy", "film xy"]
    assert encode_documents(texts, source.tokenizer, max_length=16).unknown_examples == [1]
    for texts in (["film xy"], ["film xy", "unheardofword x"]):
        encoded = encode_documents(texts, source.tokenizer, max_length=16)
        batch = collate(encoded, np.arange(len(texts)), source.tokenizer.pad_token_id)
        assert source.encoder().model.eval()(**batch.inputs)[0].isfinite().all()
        assert encoded.unknown == {1: 0.5, 2: 0.5}[len(texts)]
