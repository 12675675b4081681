"""Answer verbs and options that other tools have with ours."""

from difflib import get_close_matches
from typing import Any

from typer.core import TyperCommand, TyperGroup

from nlp_transfer.cli.streams import STDIN

VERBS = {
    **dict.fromkeys(("train", "fit", "finetune", "fine-tune"), "run"),
    **dict.fromkeys(("classify", "infer", "translate", "summarize"), "predict"),
    **dict.fromkeys(("test", "eval", "score"), "evaluate"),
}
SETTINGS = {
    "lr": "training.learning_rate",
    "num_train_epochs": "training.epochs",
    "max_epochs": "training.epochs",
    "per_device_train_batch_size": "training.batch_size",
    "gradient_accumulation_steps": "training.accumulation",
    **dict.fromkeys(("fp16", "bf16"), "training.precision"),
    "warmup_ratio": "training.warmup",
    "early_stopping_patience": "training.patience",
    "max_length": "task.max_length",
    "max_seq_length": "task.max_length",
    "max_train_samples": "data.limit",
    "train_file": "data.train",
    "validation_file": "data.validation",
    "test_file": "data.test",
    "model": "source.name",
    "model_name": "source.name",
    "model_name_or_path": "source.name",
    "lora_r": "strategy.rank",
    "lora_alpha": "strategy.alpha",
    "lora_dropout": "strategy.dropout",
}
DEVICES = ("device", "devices", "gpu", "gpus", "num_gpus", "n_gpu", "cuda", "no_cuda", "cpu", "use_cpu", "accelerator")
TEXTS = ("text", "texts", "input", "inputs", "sentence")


class Verbs(TyperGroup):
    """Suggest a verb also to who calls it as other tools do."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb, or fail with the nearest."""
        near = get_close_matches(args[0], [*self.commands, *VERBS], n=1)
        if args[0] in self.commands or not near:
            return super().resolve_command(ctx, args)
        return ctx.fail(f"No such command {args[0]!r}. Did you mean {VERBS.get(near[0], near[0])!r}?")


class Verb(TyperCommand):
    """Say how a setting is written, where texts come from, and what chooses a GPU, to who gives them by an option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, or fail with the way out."""
        known = {name for one in self.params for name in (one.name, *one.opts)}.union(ctx.help_option_names)
        for option in (word.partition("=")[0] for word in args if word.startswith("--")):
            if option not in known and (way := self._find_way(option[2:].replace("-", "_"), known)):
                ctx.fail(f"No such option: {option}. {way}")
        return super().parse_args(ctx, args)

    def _find_way(self, name: str, known: set[str | None]) -> str | None:
        """Say how what other tools call `--name` is given to a verb of `known` words; None if that is not known."""
        if self.name == "predict" and name in TEXTS:
            return f"Texts come from a file, or from {STDIN}"
        if name in DEVICES:
            return (
                "A GPU is used where there is one; CUDA_VISIBLE_DEVICES chooses it, and accelerate launch takes several"
            )
        if name == "set" and "overrides" in known:
            return "A setting is written without it: KEY=VALUE"
        key = SETTINGS.get(name) or _find_setting(name)
        if key and "overrides" in known:
            return f"A setting is written without dashes: {key}=VALUE"
        return f"A setting is written with --set: --set {key}=VALUE" if key and "--set" in known else None


def _find_setting(name: str) -> str | None:
    """Find the dotted key of training or data that has this name."""
    from nlp_transfer.config.data import DataConfig
    from nlp_transfer.config.training import TrainingConfig

    sections = (("training", TrainingConfig.model_fields), ("data", DataConfig.model_fields))
    return next((f"{section}.{name}" for section, keys in sections if name in keys), None)
