"""Write the text of a model card in Markdown: what a run has measured, and how its model is used.

Every text that does not come from this file passes `escape_markdown`, `format_code`, `_quote` or `_strip_bibtex` first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.sources import VectorsSource
from nlp_transfer.config.tasks import SCORED, TaskDeclaration
from nlp_transfer.evaluation.averaging import mean_scores
from nlp_transfer.evaluation.costs import describe_cost
from nlp_transfer.evaluation.metrics_file import Merged, Method, Metrics
from nlp_transfer.evaluation.verdicts import SPREAD
from nlp_transfer.publishing.licences import NOTICES
from nlp_transfer.sources import BUNDLED
from nlp_transfer.system.escaping import dump_json, escape_line, escape_markdown, format_code
from nlp_transfer.system.layout import PLOT, RELIABILITY

NOT_MEASURED = "not measured"
SHOWN = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # confidences of which the card says what they promise
PAIR = ("text", "text_pair")  # as pipelines call two texts that are read together


@dataclass(frozen=True)
class Subject:
    """Gather what a card is about.

    Attributes:
        config: the configuration of the run, with local paths reduced to names.
        metrics: what the run has measured.
        environment: the content of environment.json.
        name: the name of the model.
        repo: its id on the Hub; None if it is used from inside its run folder.
        licence: the licence of the weights.
        adapter_only: the folder holds only the adapter.
        composed: the decoder has a tokenizer of its own.
        prompt: what its texts are read behind; empty if nothing.
        own_code: the folder holds our modelling files, which `transformers` must be allowed to run.
        pictured: a plot lies beside the card.
        diagram: a reliability diagram lies beside the card.
        rate: what an hour of the machine costs, for the price of 1,000 texts; None: no price.
        exported: folders beside the card that run without torch.
    """

    config: RunConfig
    metrics: Metrics
    environment: Mapping[str, Any]
    name: str
    repo: str | None
    licence: str | None
    adapter_only: bool
    composed: bool
    own_code: bool
    prompt: str = ""
    pictured: bool = False
    diagram: bool = False
    rate: float | None = None
    exported: tuple[str, ...] = ()

    @property
    def task(self) -> TaskDeclaration:
        """The task with its options."""
        return self.config.task_class(self.config.task, tuple(self.metrics.data.splits["train"].labels))


def build_page(subject: Subject) -> str:
    """Write the card without its metadata."""
    sections = {
        "How to use it": _write_usage(subject),
        "Without torch": _write_exported(subject),
        "Scores": _write_scores(subject),
        "Confidence": _write_confidence(subject),
        "Cost": _write_cost(subject),
        "Data": _write_data(subject),
        "Training": _write_training(subject),
        "Limits": _write_limits(subject),
        "Licence": _write_licence(subject),
        "Citation": _write_citation(subject),
    }
    parts = [f"# {escape_markdown(subject.name)}", _write_summary(subject)]
    return "\n\n".join([*parts, *(f"## {title}\n\n{text}" for title, text in sections.items() if text)]) + "\n"


def _write_exported(subject: Subject) -> str:
    """Name the exports that lie beside the card, each with a card of its own."""
    return "\n".join(
        f"- [`{name}`]({name}/README.md): `python predict.py < texts.txt` in that folder" for name in subject.exported
    )


def _write_summary(subject: Subject) -> str:
    config, parameters, task = subject.config, subject.metrics.parameters, subject.task
    kind = (task.pipeline_tag or config.task.name).replace("-", " ")
    labels = f" Labels: {', '.join(map(format_code, task.labels))}." if task.labels else ""
    start = (
        "started from random weights (a control)"
        if config.source.scratch
        else f"started from {_describe_source(subject)}"
    )
    what = "An adapter" if subject.adapter_only else "A model"
    return (
        f"{what} for {kind}, made with nlp-transfer: {start}, strategy `{config.strategy.kind}`, "
        f"{parameters.trainable:,} of {parameters.total:,} parameters trained "
        f"({100 * parameters.trainable / parameters.total:.3g} %).{labels}{_describe_units(subject)}"
        f"{_describe_chain(subject)}{_describe_merge(subject.metrics.merged)}"
        f"{_describe_sharing(subject.metrics.beside)}"
    )


def _describe_chain(subject: Subject) -> str:
    """Name the runs that the weights went through before this one; nothing where there are none."""
    chain = subject.metrics.provenance.chain
    if not chain:
        return ""
    steps = [
        f"{format_code(one.name)} ({escape_markdown(one.task)}, strategy `{one.strategy}`, on {format_code(one.data)})"
        for one in chain
    ]
    return f" The weights came this way: {', then '.join([format_code(chain[0].source), *steps])}, then this model."


def _describe_merge(merged: Merged | None) -> str:
    """Say what a merged model was made of, and how; nothing of another one."""
    if merged is None:
        return ""
    several, runs = len(merged.parts) > 1, [f"{format_code(one.name)} (`{one.strategy}`)" for one in merged.parts]
    mean = f"the mean of {len(runs)} runs, {', '.join(runs)}" if several else f"the run {runs[0]}"
    way = "" if merged.share == 1 else f"a point on the way from the source (0) to {mean} (1), at {merged.share:g}"
    head = "; the last layer of its head was solved anew on the merged features" if merged.head == "solved" else ""
    return f" Its weights are {way or mean}{head}."


def _describe_sharing(others: Sequence[str]) -> str:
    """Say with which other tasks a model was trained; nothing of one that was trained alone."""
    named = ", ".join(map(format_code, others))
    return f" It was trained together with other tasks, which moved its encoder too: {named}." if others else ""


def _describe_units(subject: Subject) -> str:
    """Say what the numbers mean that a model answers with; nothing of a model that answers otherwise."""
    numbers = subject.metrics.data.splits["train"].numbers
    return "".join(
        f" It answers with a number in the units of the data ({format_code(role)}: {one.lowest:.4g} to "
        f"{one.highest:.4g} in train, {one.mean:.4g} in the mean), which was standardised for the training only."
        for role, one in numbers.items()
    )


def _describe_source(subject: Subject) -> str:
    source, origin = subject.config.source, subject.metrics.provenance
    if origin.chain:
        kind = "table" if isinstance(source, VectorsSource) else "run"
        return f"the {kind} {format_code(origin.chain[-1].name)}"
    bases, commit = origin.base_models, getattr(source, "trust_remote_code", None)
    ran = f", running the code that it brings at commit {format_code(commit)}" if commit else ""
    links = ", ".join(f"[{base}](https://huggingface.co/{base})" for base in bases)
    known = f" ({BUNDLED[source.name].description})" if source.name in BUNDLED else ""
    above = getattr(source, "contextualizer", "bag")
    return (
        (links or f"{format_code(source.name)}{known}")
        + (f" under a new `{above}` layer" if above != "bag" else "")
        + ran
    )


def _write_usage(subject: Subject) -> str:
    place = subject.repo or "."
    example = dump_json(subject.task.example)
    commit = getattr(subject.config.source, "trust_remote_code", None)
    trust = f", trust_remote_code={_quote(commit)}" if commit else ""
    own = f"import nlp_transfer\n\nprint(nlp_transfer.load({_quote(place)}{trust}).predict([{example}]))"
    plain = None if subject.adapter_only or commit else _write_plain_usage(subject)
    parts = [] if subject.repo else ["From inside this folder:"]
    parts += [f"With `transformers` alone:\n\n{_fence_code(plain)}"] if plain else []
    if subject.prompt:
        told = "nlp-transfer puts it there by itself, `transformers` alone does not."
        parts.append(f"Every text is read behind the prompt {format_code(_quote(subject.prompt))}: {told}")
    return "\n\n".join(
        [*parts, f"With nlp-transfer, which also knows how long texts are treated:\n\n{_fence_code(own)}"]
    )


def _write_plain_usage(subject: Subject) -> str | None:
    """Show how transformers opens the model without this package; None where it cannot use it."""
    place = _quote(subject.repo or "./model")
    example = _write_plain_input(subject)
    if example is None:
        return None
    trust = ", trust_remote_code=True" if subject.own_code else ""
    match subject.task.auto_class:
        case "AutoModelForSequenceClassification":
            every = ", top_k=None" if "labels" in subject.task.roles.values() else ""  # the probability of each label
            decided = subject.task.calibrated
            lines = (
                "from transformers import pipeline\n",
                f'classify = pipeline("text-classification", model={place}{trust})',
                f"print(classify({dump_json(example)}, truncation=True{every}))",
                *(f"print(classify.model.config.{name})  # {name}, decided on validation" for name in decided),
            )
            return "\n".join(lines)
        case "AutoModelForMaskedLM":
            return (
                "from transformers import pipeline\n\n"
                f'fill = pipeline("fill-mask", model={place}{trust})\n'
                'print(fill(f"A short {fill.tokenizer.mask_token}."))'
            )
        case "AutoModelForSeq2SeqLM":
            target = f'AutoTokenizer.from_pretrained({place}, subfolder="target_tokenizer")'
            return (
                "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n\n"
                f"tokenizer = AutoTokenizer.from_pretrained({place}{trust})\n"
                f"target_tokenizer = {target if subject.composed else 'tokenizer'}\n"
                f"model = AutoModelForSeq2SeqLM.from_pretrained({place}{trust})\n"
                'options = {"truncation": True, "return_tensors": "pt", "return_token_type_ids": False}\n'
                f"inputs = tokenizer({_quote(str(example))}, **options)\n"
                "print(target_tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True).strip())"
            )
    return None


def _write_plain_input(subject: Subject) -> str | Mapping[str, str] | None:
    """Write the example as a pipeline takes it; None where that could not tell several texts apart.

    What this package puts before a text, a pipeline does not.
    """
    lead, example = subject.prompt + getattr(subject.config.task, "prefix", ""), subject.task.example
    if not isinstance(example, Mapping):
        return lead + example
    texts = [example[role] for role in subject.task.input_roles()]
    if len(texts) > len(PAIR) or subject.own_code:  # a head of ours may want each text in a frame of its own
        return None
    return dict(zip(PAIR, [lead + texts[0], *texts[1:]], strict=False))


def _quote(text: str) -> str:
    """Write a text as a literal that JSON and Python read alike."""
    return dump_json(text)


def _fence_code(text: str) -> str:
    return f"```python\n{text}\n```"


def _write_scores(subject: Subject) -> str:
    metrics, task = subject.metrics, subject.task
    methods = dict(_list_methods(metrics))
    shown = task.measured(*(scores.test for scores in methods.values()))
    columns = [(split, name) for name in shown for split in SCORED]
    rows = [
        [method, *(_format_score(getattr(scores, split), name) for split, name in columns)]
        for method, scores in methods.items()
    ]

    chosen = "The checkpoint" if metrics.merged is None else "The checkpoint of each part"
    rest = f"{chosen} was chosen by `{metrics.selection.metric}` on validation; test was measured once."
    if metrics.selection.by == "mixed_loss":
        rest = (
            "The checkpoint was chosen by the mixed loss on held-out rows: the task's on validation, and that of "
            "hidden words on texts without labels; test was measured once."
        )
    if metrics.selection.kept == "last":
        rest = "The last state was kept, for validation is too small to choose one; test was measured once."
    rest += metrics.selection.describe_learning()
    if metrics.class_weights:
        rest += f" Its head was solved with {metrics.class_weights.describe(f'`{metrics.selection.metric}`')}."
    if ceilings := [name for name in task.ceilings if name in metrics.baselines]:
        rest += f" `{'`, `'.join(ceilings)}` knows the answers: a ceiling."
    who = f" by the model of seed {metrics.seed}" if metrics.seeds else ""
    for name, (low, high) in metrics.intervals.items():
        interval = f"95 % interval {low:.4f} to {high:.4f} (bootstrap)"
        rest += f" `{name}` on test{who}: {metrics.test[name]:.4f}, {interval}."
    if back := metrics.written_back:
        best = ", ".join(f"{name} {_format_score(back.scores, name)}" for name in back.scores)
        rest += f" References of validation that only went through the target tokenizer score {best}: a ceiling too."

    picture = [f"![test {task.selection}]({PLOT})"] if subject.pictured else []
    table = _format_table(["method", *(f"{split} {name}" for split, name in columns)], rows)
    return "\n\n".join([table, *picture, f"{rest}{_describe_seeds(metrics)}"])


def _write_confidence(subject: Subject) -> str:
    """Say how far confidence can be trusted; nothing of answers that have none, or in which it was not measured."""
    found = subject.metrics.confidence
    if found is None:
        return ""
    several = "labels" in subject.task.roles.values()
    adapted = subject.adapter_only or subject.config.strategy.kind == "lora"
    said = found.describe_error("answers, yes or no to each label," if several else "answers")
    if found.rebalanced:
        said += (
            f" Before, each logit was lowered by {found.rebalanced:g} of its label's log-frequency in train, a share "
            "that validation chose."
        )
    if found.temperature != 1.0 or found.rebalanced:
        said += " It is part of the last layer, so every program that opens the model has it."
        if adapted:
            said += " The adapter alone lacks it: nlp-transfer adds it, others divide the logits by it."

    rows = [
        [f"{least:g}", f"{share:.1%}", "-" if right is None else f"{right:.4f}"]
        for least, share, right in ((one, *found.find_kept(one)[1:]) for one in SHOWN)
    ]
    table = _format_table(["confidence of at least", "share of test answers", "right of these"], rows)
    picture = [f"![confidence and right answers]({RELIABILITY})"] if subject.diagram else []
    return "\n\n".join([said, table, *picture])


def _write_cost(subject: Subject) -> str:
    """Say what answers cost; nothing in a run that did not measure it."""
    cost = subject.metrics.cost
    if cost is None:
        return ""
    said = f"On the hardware named under Training: {escape_markdown(describe_cost(cost, subject.rate))}."
    for name, one in subject.metrics.baselines.items():
        if one.cost and one.seconds is not None:
            beside = escape_markdown(describe_cost(one.cost, subject.rate))
            said += f" {escape_markdown(name)}, on one thread: {one.seconds:.1f} s of training, {beside}."
    return said


def _list_methods(metrics: Metrics) -> Iterator[tuple[str, Method]]:
    """Yield each method's name in Markdown and its scores, followed by the mean of all seeds if they differ."""
    seeds = None if metrics.seeds is None or metrics.seeds.note else metrics.seeds
    yield "**this model**", Method(validation=metrics.validation, test=metrics.test)
    if seeds:
        yield "**mean of all seeds**", mean_scores(seeds)
    for part in metrics.merged.parts if metrics.merged else ():
        yield f"part {format_code(part.name)}", Method(validation=part.validation, test=part.test)
    for name, scores in {**metrics.baselines, **metrics.controls}.items():
        yield escape_markdown(name), scores
        if seeds and name in seeds.baselines:
            yield f"{escape_markdown(name)}, mean of all seeds", mean_scores(seeds.baselines[name])


def _describe_seeds(metrics: Metrics) -> str:
    """Say which of several seeds this model has, and how it was chosen."""
    seeds = metrics.seeds
    if seeds is None:
        return ""
    if seeds.note:
        return f"\n\n{escape_markdown(seeds.note)}."
    values = ", ".join(map(str, seeds.values))
    return (
        f"\n\nThis is the model of seed {metrics.seed}, of the seeds {values} the best on validation; its scores "
        "are its own. ± is the standard deviation over all."
    )


def _write_data(subject: Subject) -> str:
    data = subject.metrics.data
    read = {**data.splits, **({"unlabelled": data.unlabelled} if data.unlabelled else {})}
    rows = [
        [
            name,
            escape_markdown(one.origin),
            f"{one.rows:,}",
            _format_counts(one.labels),
            f"`{one.fingerprint[:16]}`",
        ]
        for name, one in read.items()
    ]

    shared = [
        f"{count} of the {pair.split('/')[1]} rows have a text that is also in {pair.split('/')[0]}"
        for pair, count in data.overlap.items()
        if count
    ]

    said = f"**Leak**: {'; '.join(shared)}." if shared else "No text stands in two splits."
    table = _format_table(["split", "from", "rows", "labels", "fingerprint"], rows)
    drawn = subject.metrics.seeds is not None and subject.config.data.follows_seed
    own = f" Each seed has rows of its own; these are those of seed {subject.metrics.seed}." if drawn else ""
    return (
        f"{table}\n\nA fingerprint is the start of the XXH3 digest of texts and labels in order. {said}{own}"
        f"{_describe_elsewhere(subject)}"
    )


def _describe_elsewhere(subject: Subject) -> str:
    """Say it where test comes from another place than train, and where texts without labels were learned from."""
    data = subject.metrics.data
    train, test = data.splits["train"], data.splits["test"]
    said = ""
    if subject.config.data.test is not None and test.place != train.place:
        said = (
            f"\n\nIt was trained on {format_code(train.place)} and tested on {format_code(test.place)}: validation "
            "scores are those of the former, or of a place of its own, test scores those of the latter."
        )
    if data.unlabelled:
        said += (
            f"\n\nThe texts without labels are those that `strategy.adaptation: {subject.config.strategy.adaptation}` "
            "moved towards."
        )
    return said


def _format_counts(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{escape_markdown(label)}: {count:,}" for label, count in labels.items()) or "-"


def _write_training(subject: Subject) -> str:
    metrics, environment = subject.metrics, subject.environment
    packages = environment["packages"]
    devices = [(environment["cores"], "core"), (environment["threads"], "thread")]
    counted = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in devices]

    facts = {
        "strategy": subject.config.strategy.kind,
        "seed": metrics.merged.list_seeds() if metrics.merged else metrics.seed,
        **({"prompt": repr(subject.prompt)} if subject.prompt else {}),
        "epochs": metrics.epochs,
        "optimizer steps": metrics.steps or "none: the head was solved",
        "seconds of training": f"{metrics.seconds.training:.1f}",
        "hardware": ", ".join([environment["device"], *counted]),
        "number format": metrics.precision,
        "versions": ", ".join(f"{name} {packages[name]}" for name in ("nlp-transfer", "torch", "transformers")),
    }

    rest = "`config.yaml` holds every setting, `metrics.json` every figure."
    return (
        f"{_format_table(['', ''], [[name, escape_markdown(str(value))] for name, value in facts.items()])}\n\n{rest}"
    )


def _write_limits(subject: Subject) -> str:
    metrics = subject.metrics
    splits = metrics.data.splits
    languages = metrics.provenance.languages
    lines = [
        "It has learned from the texts named under Data; other domains were not measured.",
        f"Languages: {', '.join(languages)}; others were not measured." if languages else "Languages: as in the data.",
        "Truncated texts: "
        + ", ".join(f"{name} {count / splits[name].rows:.1%}" for name, count in metrics.truncated.items()),
        "Tokens out of the vocabulary: "
        + ", ".join(f"{name} {share:.2%}" for name, share in metrics.unknown_tokens.items()),
        *map(escape_markdown, metrics.verdict or ()),
        *(f"Warning: {escape_markdown(warning)}" for warning in (*metrics.warnings, *metrics.data.warnings)),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _write_licence(subject: Subject) -> str:
    if subject.licence is None:
        return "Not known: it follows the pretrained weights, and theirs was not found."
    known = subject.licence == subject.metrics.provenance.licence
    scratch = subject.config.source.scratch
    weights = "the weights whose architecture it has" if scratch else "the weights that it started from"
    whose = f"as {weights}" if known else "as its publisher says"
    parts = [f"`{subject.licence}`, {whose}.", NOTICES.get(subject.licence), "The data have licences of their own."]
    return " ".join(filter(None, parts))


def _write_citation(subject: Subject) -> str:
    name, version = _strip_bibtex(subject.name), subject.environment["packages"]["nlp-transfer"]
    key = re.sub(r"[^\w.-]", "_", name)
    entry = (
        f"@misc{{{key},\n  title = {{{name}}},\n"
        f"  note = {{Made with nlp-transfer {version} from {_strip_bibtex(subject.config.source.name)}}}\n}}"
    )
    return f"```bibtex\n{entry}\n```"


def _strip_bibtex(text: str) -> str:
    """Remove from a text the characters that BibTeX interprets."""
    return re.sub(r"[\\{}@%$#&~^\"<>`]", "", escape_line(text))


def _format_score(scores: Mapping[str, Any], name: str) -> str:
    """Format a score, with its standard deviation if it is a mean."""
    value, deviation = scores.get(name), scores.get(SPREAD, {}).get(name)
    if not isinstance(value, int | float):
        return NOT_MEASURED
    return f"{value:.4f}" if deviation is None else f"{value:.4f} ± {deviation:.4f}"


def _format_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a table whose cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
