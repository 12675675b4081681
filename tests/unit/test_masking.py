"""Hidden tokens, and the head that finds them again."""

import pytest
import torch
from transformers import AutoModelForMaskedLM

from nlp_transfer.models.encoding.masking import MASKED, Masking
from nlp_transfer.models.encoding.padding import try_padding
from nlp_transfer.models.masked import build_masked, compute_masked_logits, compute_masked_loss, put_above
from nlp_transfer.models.surgery.packed import try_packing, use_packing
from nlp_transfer.sources import load_source
from tests import tiny

FAMILIES = sorted(tiny.FAMILIES)


@pytest.fixture(scope="module")
def batch():
    tokens = tiny.tokenizer()(tiny.texts(6)[0], padding=True, return_tensors="pt")
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def test_of_the_tokens_a_share_is_hidden_and_special_ones_never():
    tokenizer = tiny.tokenizer()
    ids = torch.tensor(tokenizer("the film was good and very funny " * 6)["input_ids"]).repeat(500, 1)
    hidden = Masking.of(tokenizer).hide(ids, torch.ones_like(ids))

    ordinary = ids.shape[1] - 2
    assert hidden.places.float().mean().item() * ids.shape[1] / ordinary == pytest.approx(0.15, abs=0.01)
    assert not hidden.places[:, [0, -1]].any()
    assert torch.equal(hidden.targets, ids[hidden.places])
    assert torch.equal(hidden.input_ids[~hidden.places], ids[~hidden.places])

    shown = hidden.input_ids[hidden.places]
    assert (shown == tokenizer.mask_token_id).float().mean().item() == pytest.approx(MASKED, abs=0.03)
    assert (shown == hidden.targets).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert not torch.isin(shown, torch.tensor([0, 1, 2, 3])).any()


def test_padding_is_never_hidden(batch):
    masking = Masking.of(tiny.tokenizer())
    hidden = Masking(masking.mask, torch.ones(64, dtype=torch.bool), share=1.0).hide(**batch)
    assert torch.equal(hidden.places, batch["attention_mask"] == 1)


def test_whole_words_are_hidden_with_all_their_pieces(tmp_path):
    tiny.save_word_pieces(tmp_path)
    tokenizer = load_source("checkpoint", name=str(tmp_path)).tokenizer
    encoded = tokenizer(["ab, cde fg. hijk"] * 300, return_tensors="pt")
    places = Masking.of(tokenizer, whole_words=True).draw_places(encoded["input_ids"], encoded["attention_mask"])

    words = torch.tensor([-1 if word is None else word for word in encoded.word_ids(0)])
    for word in range(int(words.max()) + 1):
        of_word = places[:, words == word]
        assert torch.equal(of_word.all(1), of_word.any(1))
    assert 0.1 < places.float().mean() < 0.2


def test_the_same_random_numbers_hide_the_same_tokens(batch):
    masking = Masking.of(tiny.tokenizer())
    drawn = [masking.hide(**batch, generator=torch.Generator().manual_seed(5)).input_ids for _ in range(2)]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_at_places_are_those_of_the_whole_model_packed_or_not(family, batch, tmp_path):
    tiny.save_checkpoint(tmp_path, family, AutoModelForMaskedLM)
    loaded = build_masked(load_source("checkpoint", name=str(tmp_path)))
    model = loaded.model.eval()
    try_padding(model, tiny.tokenizer(), together=True)
    try_packing(model, tiny.tokenizer())
    hidden = Masking.of(tiny.tokenizer()).hide(**batch)

    assert not loaded.new, "a head that the checkpoint has is kept"
    with torch.no_grad():
        whole = model(**batch).logits[hidden.places]
        assert torch.allclose(compute_masked_logits(model, batch, hidden.places), whole, atol=1e-5)
        with use_packing(model):
            assert torch.allclose(compute_masked_logits(model, batch, hidden.places), whole, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_head_that_the_checkpoint_lacks_is_new_and_shares_the_embeddings(family, batch, tmp_path):
    loaded = build_masked(load_source("checkpoint", name=tiny.save_checkpoint(tmp_path, family)))
    model = loaded.model

    assert loaded.new
    assert loaded.note.startswith("head: drawn new")
    assert not any(name.startswith(model.base_model_prefix) for name in loaded.new)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    hidden = Masking.of(tiny.tokenizer()).hide(**batch)
    compute_masked_loss(model, batch, hidden).backward()
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if name in loaded.new)


def test_a_head_can_stand_above_the_encoder_of_another_model(batch, tmp_path):
    source = load_source("checkpoint", name=tiny.save_checkpoint(tmp_path))
    masked, encoder = build_masked(source).model, source.encoder().model
    put_above(masked, encoder)
    assert masked.base_model is encoder
    assert masked.get_output_embeddings().weight is encoder.get_input_embeddings().weight

    compute_masked_loss(masked, batch, Masking.of(tiny.tokenizer()).hide(**batch)).backward()
    assert encoder.get_input_embeddings().weight.grad.abs().sum() > 0
