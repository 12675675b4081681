"""Use transfer learning as an estimator of scikit-learn: in a pipeline, a search over a grid, a cross-validation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from nlp_transfer.config.flags import guess_kind
from nlp_transfer.config.load import load_config
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.formats.held import hold_rows
from nlp_transfer.runs.fit import fit

FEWEST = 2  # classes


class TransferClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Classify texts by a model that is made from a pretrained source.

    Of the rows that `fit` gets, a share (`data.validation_share`) chooses the state of the training and the temperature
    of the probabilities; the rest is learned from. There is no test split: the caller keeps one, or cross-validates.
    With `strategy="frozen"` the features of a text are computed once and kept in the cache, for all folds and settings.

    Args:
        source: a bundled name, a folder, a run, a file of vectors or an id on the Hub; or the whole section `source` of
            a configuration.
        strategy: its kind, `frozen`, `lora`, `full` or `gradual`; or the whole section `strategy`.
        settings: other sections of the configuration, as `{"training": {"epochs": 5}}`.
        random_state: seed of the training and of the cut.

    Attributes:
        classes_: (C,) the labels, sorted.
        predictor_: the trained `nlp_transfer.Predictor`.
    """

    def __init__(
        self,
        source: str | Mapping[str, Any] = "minilm",
        strategy: str | Mapping[str, Any] = "frozen",
        *,
        settings: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        """Keep the parameters; `fit` checks them."""
        self.source = source
        self.strategy = strategy
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> "TransferClassifier":
        """Train. If that fails, the estimator stays as it was: with the model of an earlier `fit`, or with none.

        Args:
            X: (N,) texts, or one column of them.
            y: (N,) labels.

        Raises:
            ValueError: there are no texts, a text is empty, or there are fewer than two classes.
            TransferError: as `nlp_transfer.run`.
        """
        texts = _take_texts(X)
        labels = column_or_1d(y, warn=True)
        check_consistent_length(texts, labels)
        check_classification_targets(labels)
        classes, ids = np.unique(labels, return_inverse=True)
        if len(classes) < FEWEST:
            raise ValueError(f"TransferClassifier: y has one class, {str(classes[0])!r}; two or more are needed")

        names = np.array([str(label) for label in classes], dtype=object)
        predictor = fit(self._configure(texts, names[ids]))
        known = {name: at for at, name in enumerate(names)}
        order = np.argsort([known[name] for name in predictor.task.labels])
        self.classes_, self.predictor_, self._order = classes, predictor, order
        return self

    def _configure(self, texts: list[str], labels: NDArray[Any]) -> RunConfig:
        given = {name: dict(section) for name, section in (self.settings or {}).items()}
        source = {"kind": guess_kind(self.source), "name": self.source} if isinstance(self.source, str) else self.source
        strategy = {"kind": self.strategy} if isinstance(self.strategy, str) else self.strategy
        rows = hold_rows({"text": texts, "label": labels.tolist()})
        return load_config(
            {
                **given,
                "task": {"name": "classification", **given.get("task", {})},
                "source": dict(source),
                "strategy": dict(strategy),
                "data": {"labels": "exact", "split_seed": "seed", **given.get("data", {})},
                "training": {"seed": self.random_state, **given.get("training", {})},
            },
            data={"train": rows},
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the likeliest label of each text, (N,).

        Raises:
            ValueError: a text is empty.
            NotFittedError: `fit` was not called.
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[likeliest]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Compute the probability of each class, (N, C) in the order of `classes_`.

        Raises:
            ValueError: a text is empty.
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        found: NDArray[np.float64] = self.predictor_.probabilities(_take_texts(X))[:, self._order]
        return found

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Compute what the head reads of each text, (N, F); see `Predictor.embed`."""
        check_is_fitted(self)
        return self.predictor_.embed(_take_texts(X))

    def __sklearn_tags__(self) -> Any:
        """Say that texts are expected, one a row."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _take_texts(given: Any) -> list[str]:
    """Take texts out of a list, an array, a series, or a table of one column.

    Raises:
        TypeError: it is a single text.
        ValueError: it holds several columns, nothing, or what is no text.
    """
    if isinstance(given, str):
        raise TypeError("TransferClassifier: expected texts, received one text; put it in a list")
    texts = np.asarray(given, dtype=object)
    if texts.ndim > 1 and texts.shape[1:] == (1,):
        texts = texts[:, 0]
    if texts.ndim != 1:
        raise ValueError(f"TransferClassifier: expected texts, (N,) or (N, 1), received an array of {texts.shape}")
    if not len(texts):
        raise ValueError("TransferClassifier: expected texts, received none")

    odd = (at for at, text in enumerate(texts) if not isinstance(text, str) or not text.strip())
    if (at := next(odd, None)) is not None:
        raise ValueError(f"TransferClassifier: X[{at}] is no text, or an empty one: {texts[at]!r:.60}")
    return list(texts)
