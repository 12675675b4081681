"""The simple method that every verdict rests on, on the bundled reviews."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import load_splits
from nlp_transfer.evaluation.baselines import fit_tfidf_logistic

pytestmark = pytest.mark.real
ROLES = {"text": "text", "label": "label"}


def sample(rows):
    return rows.select(np.random.default_rng(0).permutation(len(rows))[:300])


# many short texts, few short ones, few long ones
@pytest.mark.parametrize(("name", "limit"), [("rotten-tomatoes", 1500), ("rotten-tomatoes", 500), ("imdb", 200)])
def test_tfidf_is_as_good_as_the_defaults_of_scikit_learn(name, limit):
    splits = load_splits(DataConfig(train=f"bundled:{name}", limit=limit), ROLES)
    splits = replace(splits, **{part: sample(getattr(splits, part)) for part in ("validation", "test")})
    words = TfidfVectorizer()
    model = LogisticRegression().fit(words.fit_transform(splits.train["text"][:]), splits.train["label"][:])
    usual = model.predict(words.transform(splits.test["text"][:]))
    truth = np.array(splits.test["label"][:])
    assert np.mean(fit_tfidf_logistic(splits)["test"] == truth) >= np.mean(usual == truth)
