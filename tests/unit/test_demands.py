"""What a config.json of a stranger may not ask for."""

import pytest

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.demands import refuse_demands, refuse_unknown_type


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_implementation", "flash_attention_2"),
        ("attn_implementation", "someone/some-kernel"),
        ("attn_implementation", {"": "sdpa"}),
        ("_attn_implementation", "flex_attention"),
        ("_attn_implementation_internal", 7),
        ("experts_implementation", "nothing"),
        ("quantization_config", {"quant_method": "nothing"}),
        ("quantization_config", {}),
        ("compression_config", "x"),
        ("fusion_config", {"patches": True}),
        ("kernel_config", []),
        ("transformers_weights", "../other.safetensors"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_configuration_that_asks_for_more_than_an_architecture_is_refused(key, value, inside):
    values = {"model_type": "bert", key: value}
    with pytest.raises(SourceError, match=f"Checkpoint 'a': its config.json asks for {key}: "):
        refuse_demands({"encoder": values} if inside else values, "Checkpoint 'a'")


def test_ordinary_settings_are_let_pass():
    plain = {"attn_implementation": "eager", "_attn_implementation_autoset": True, "quantization_config": None}
    refuse_demands({**plain, "hidden_size": 8, "encoder": {"_attn_implementation": "sdpa"}}, "Checkpoint 'a'")


@pytest.mark.parametrize(("kind", "near"), [("berd", r" Did you mean 'bert'\?"), ("starlight-of-mine", "")])
def test_an_architecture_that_transformers_lacks_is_named_with_the_nearest_and_nothing_to_install(kind, near):
    end = rf"architecture '{kind}', which transformers [\d.]+ does not have; take a checkpoint of another\.{near}$"
    with pytest.raises(SourceError, match=end):
        refuse_unknown_type({"model_type": kind}, "Checkpoint 'a'")
    for values in ({"model_type": "bert"}, {"model_type": kind, "auto_map": {}}, {}, {"model_type": None}):
        refuse_unknown_type(values, "Checkpoint 'a'")
