"""What surgery puts aside in a model is named in one place, for whoever copies the model meanwhile."""

import ast

import pytest
from test_layering import LIBRARY
from tiny import LABELS, checkpoint, rows, sentiment

from nlp_transfer.models.classification import build_classifier
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary
from nlp_transfer.models.surgery.aside import KEYS, list_aside
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.entry import enter_at_layer


def test_rows_and_layers_that_are_put_aside_are_listed(tmp_path):
    source = checkpoint(tmp_path)
    loaded = build_classifier(source, LABELS, head="native")
    model, words = loaded.model, loaded.model.base_model.embeddings.word_embeddings
    whole, layer = words.weight, model.base_model.encoder.layer[0]
    encoded = sentiment().encode(rows(), Tokenizers(source.tokenizer))
    name = next(name for name, parameter in model.named_parameters() if parameter is whole)
    assert not list(list_aside(model))
    with use_embedding_rows(model, {name: 0.1}, [encoded], 1):
        ((table,),) = [[one.parameter for one in held.values()] for held in list_aside(model)]
        assert table is whole
    with enter_at_layer(model, Boundary("layer", 1)):
        assert any(held is layer for held in list_aside(model))
    assert not list(list_aside(model))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_under_which_something_is_put_aside_is_spelt_once(key):
    spelt = [
        module
        for module, path in LIBRARY.items()
        if key in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value == key
    ]
    assert spelt == ["models.surgery.aside"]
