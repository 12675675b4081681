"""Adapted sources and strategies: what is trained on one is saved, reloaded and published, and answers the same."""

import pytest
import tiny

import nlp_transfer
from nlp_transfer.publishing.tree import write_publication

STRATEGIES = {"lora": {"kind": "lora", "rank": 2}, "gradual": {"kind": "gradual"}}
TEXTS = tiny.texts(40, seed=7)[0]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A checkpoint and a table of word vectors, each adapted to texts: kind -> section."""
    root = tmp_path_factory.mktemp("adapted")
    bert, table = tiny.save_checkpoint(root / "bert"), tiny.save_vectors(root / "v.txt")
    nlp_transfer.adapt(bert, TEXTS, root / "checkpoint", ["training.precision=fp32"], epochs=1, progress=False)
    nlp_transfer.adapt(table, TEXTS, root / "vectors", min_count=1, epochs=1, progress=False)
    return {kind: {"kind": kind, "name": str(root / kind)} for kind in ("checkpoint", "vectors")}


@pytest.mark.parametrize(("kind", "strategy"), [("checkpoint", "lora"), ("vectors", "gradual")])
def test_a_run_on_an_adapted_source_answers_the_same_once_it_is_published(sources, tmp_path, kind, strategy):
    data = tiny.save_csv(tmp_path / "data.csv")
    result = tiny.run(tmp_path / "run", sources[kind], STRATEGIES[strategy], data)
    said = nlp_transfer.load(result.folder).predict(TEXTS[:6])

    (tmp_path / "tree").mkdir()
    write_publication(result.folder, tmp_path / "tree", "me/it", licence="mit", adapter_only=False)
    assert nlp_transfer.load(tmp_path / "tree").predict(TEXTS[:6]) == said
    name = "bert" if kind == "checkpoint" else "v"
    assert result.row.adapted.startswith(name)
    assert "(adaptation, strategy `" in (tmp_path / "tree" / "README.md").read_text()
