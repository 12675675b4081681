"""Write the model card, README.md with the Hub's metadata, from what a run has measured and nothing else."""

import math
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from nlp_transfer.config.tasks import Scores
from nlp_transfer.data.locations import HUB_ID
from nlp_transfer.errors import PublishError, suggest
from nlp_transfer.publishing.card_page import Subject, build_page
from nlp_transfer.publishing.licences import LICENCES
from nlp_transfer.publishing.provenance import find_hub_dataset
from nlp_transfer.system.escaping import escape_line


def build_card(subject: Subject) -> str:
    """Write the whole card: metadata in YAML, then the page."""
    task, metrics = subject.task, subject.metrics
    origin = metrics.provenance

    data = ModelCardData(
        license=subject.licence,
        language=list(origin.languages) or None,
        library_name="peft" if subject.adapter_only else "transformers",
        pipeline_tag=task.pipeline_tag,
        base_model=list(origin.base_models) or None,
        base_model_relation=("adapter" if subject.adapter_only else "finetune") if origin.base_models else None,
        datasets=list(origin.datasets) or None,
        metrics=list(dict.fromkeys(task.hub_metrics.get(name, name) for name in task.measured(metrics.test))),
        tags=["nlp-transfer", subject.config.strategy.kind, *(["merge"] if metrics.merged else [])],
        model_name=_escape_name(subject.name),
        eval_results=_list_results(subject),
    )

    return f"---\n{data.to_yaml()}\n---\n\n{build_page(subject)}"


def _list_results(subject: Subject) -> list[EvalResult]:
    task, test = subject.task, subject.metrics.test
    split, data = subject.metrics.data.splits["test"], subject.config.data
    cut = split.cut  # by this tool, so it is no split of the data set
    found = find_hub_dataset(data.train if cut else data.test or data.train)
    # Only an id that the run found on the Hub counts: the name of a file may look like one.
    is_on_hub = found if found in subject.metrics.provenance.datasets else None

    return [
        EvalResult(
            task_type=task.pipeline_tag or subject.config.task.name,
            dataset_type=is_on_hub or "custom",
            dataset_name=_escape_name(split.place),
            dataset_config=data.subset if is_on_hub else None,
            dataset_split=None if cut else "test",
            dataset_args={"test": _escape_name(split.origin)} if cut else None,
            metric_type=task.hub_metrics.get(key, key),
            metric_name=key,
            metric_value=test[key],
        )
        for key in task.measured(test)
        if test.get(key) is not None
    ]


def _escape_name(text: str) -> str:
    """Escape a name for the metadata: a viewer that does not know metadata shows them as a part of the page."""
    return escape_line(text).replace("<", "&lt;").replace(">", "&gt;")


def check_card(text: str, test: Scores) -> None:
    """Check a card against the rules of the Hub and the scores measured on test, before any network is used.

    Raises:
        PublishError: a rule is broken, or a score differs; the message lists all faults.
    """
    data: Any = ModelCard(text).data
    wrong = []

    if data.license is None:
        wrong.append("license: not known for these weights; look it up and name it with --license, such as apache-2.0")
    elif data.license not in LICENCES:
        wrong.append(f"license: the Hub does not know '{data.license}'. {suggest(data.license, LICENCES)}")

    for key in ("base_model", "datasets"):
        for name in data.get(key) or []:
            if not isinstance(name, str) or not HUB_ID.fullmatch(name):
                wrong.append(f"{key}: '{name}' is no id on the Hub")
    if "base_model" in data.to_dict() and not data.base_model:
        wrong.append("base_model: empty")

    for result in data.eval_results or []:
        value, measured = result.metric_value, test.get(result.metric_name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            wrong.append(f"model-index: {result.metric_name} is {value}, not a finite number")
        elif value != measured:
            wrong.append(f"model-index: {result.metric_name} is {value}, but metrics.json says {measured}")
    if not data.eval_results:
        wrong.append("model-index: no score at all")

    if wrong:
        raise PublishError("the model card breaks the Hub's rules:\n  " + "\n  ".join(wrong))
