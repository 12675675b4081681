"""Who may import whom, read off the imports: everything points down."""

import ast
import functools
import sys
import tomllib
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nlp_transfer

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {  # a package, lowest first -> those below that its files use
    "errors": "",
    "system": "errors",
    "config": "errors system",
    "data": "errors system config",
    "models": "errors system config data",
    "sources": "errors system config data models",
    "task": "errors config data models",
    "strategies": "errors system config models",
    "inference": "errors system models task",
    "evaluation": "errors system config data models task",
    "training": "errors system config models task strategies inference evaluation",
    "publishing": "errors system config data models sources evaluation",
    "runs": "errors system config data models sources task strategies inference evaluation training publishing",
    "cli": "errors system config data sources",
}
HOMES = {  # heavy packages and the only files that may import them
    "peft": "strategies.lora",
    "gensim": "sources.vectors.word2vec sources.vectors.skip_gram",
    "datasets": "data.locations evaluation.metrics",
    "evaluate": "evaluation.metrics",
    "accelerate": (
        "system.processes training.requests training.step training.attempt training.loop training.judge "
        "training.joint_judge training.phase_inputs training.phase_steps training.checkpoints runs.compare runs.resume "
        "runs.run runs.prepare runs.combine runs.conclude runs.train "
        "runs.several_tasks.train_jointly runs.several_tasks.run_several runs.several_tasks.compare_tasks "
        "runs.ranking.measure_source runs.train_answers runs.fit runs.adapt runs.trackers"
    ),
    "sklearn": (
        "evaluation.tfidf evaluation.baselines evaluation.number_baselines evaluation.metrics evaluation.label_sets "
        "evaluation.one_thread evaluation.transferability evaluation.choosing training.regression runs.estimator"
    ),
    "matplotlib": "evaluation.plotting evaluation.curves.plot evaluation.html_report.charts",
    "jinja2": "evaluation.html_report.rendering",
    "huggingface_hub": "system.network publishing.card publishing.upload system.hub_calls",
    "ctranslate2": "models.exported.translator models.exported.scripts.writer_ctranslate2",
    "optuna": "runs.searching.trials",
    "gradio": "runs.demo",
    "onnxruntime": "models.exported.graph models.exported.scripts.model",
    "yasbd": "data.text.languages",
    "py3langid": "data.text.languages",
}
# What `--help` and the answer to a wrong configuration load.
LIGHT = {"__init__", "__main__", "errors", "cli", "cli.commands", "cli.process", "cli.streams", "config", "system"}
LIGHT |= {"config.base", "config.tasks", "config.messages", "config.yaml_file", "config.generation", "config.metrics"}
LIGHT |= {"config.fields", "config.sources", "config.strategies", "config.data", "config.training"}
LIGHT |= {"config.run", "config.load"}
LIGHT |= {"config.shipped", "config.flags", "config.dialect", "system.escaping", "system.room", "system.disk"}
LIGHT |= {
    "cli.options",
    "system.garbage",
    "system.hiding",
    "system.signals",
    "system.caches",
    "system.received",
    "system.wheels",
}
LIGHT |= {"system.layout", "cli.unlabelled", "cli.adapt", "cli.several_runs", "cli.exporting", "cli.searching"}
LIGHT |= {"cli.reporting", "cli.training", "cli.answering", "cli.finished", "cli.looking", "cli.vectors"}
LIGHT |= {"cli.loading", "cli.showing", "cli.elsewhere"}
HEAVY = {"torch", "transformers", "numpy", "pandas", "scipy", "safetensors", "pyarrow", "tokenizers", "rich", "tqdm"}
HEAVY |= HOMES.keys()


@dataclass(frozen=True)
class Import:
    """One imported module, with the line it stands on."""

    module: str
    names: tuple[str, ...]
    line: int
    top: bool  # executed when the module is imported
    typing_only: bool  # only the type checker reads it


@dataclass(frozen=True)
class Source:
    """What the tests ask of a file."""

    story: str | None  # its docstring
    imports: list[Import]
    calls: set[str]  # names of functions as they are written
    constants: set[object]


@functools.cache  # every test asks about many files
def read_source(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    return Source(
        story=ast.get_docstring(tree),
        imports=list(find_imports(tree, path)),
        calls={ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)},
        constants={node.value for node in nodes if isinstance(node, ast.Constant)},
    )


def find_imports(node, path, *, top=True, typing_only=False):
    """The imports among the statements of a node."""
    typing_only = typing_only or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    match node:
        case ast.Import():
            yield from (Import(alias.name, (), node.lineno, top, typing_only) for alias in node.names)
        case ast.ImportFrom():
            package = f"{'.'.join(path.relative_to(ROOT).parts[:-1])}." if node.level else ""
            names = tuple(alias.name for alias in node.names)
            yield Import(package + (node.module or ""), names, node.lineno, top, typing_only)
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr):
            yield from find_imports(child, path, top=top and not inside, typing_only=typing_only)


def imports_of(path, *, typing_only=False):
    """The imports of a file, those that only the type checker reads where asked."""
    return [one for one in read_source(path).imports if typing_only or not one.typing_only]


def name_of(path):
    parts = path.relative_to(ROOT / "nlp_transfer").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


LIBRARY = {name_of(path): path for path in sorted((ROOT / "nlp_transfer").rglob("*.py"))}
TASKS = sorted((ROOT / "tasks" / "nlp_transfer_tasks").rglob("*.py"))


def own_imports(module, **settings):
    """The modules of the library that a module imports, with the import."""
    for one in imports_of(LIBRARY[module], **settings):
        if one.module == "nlp_transfer":
            yield from ((name, one) for name in one.names if name in LIBRARY)
        elif one.module.startswith("nlp_transfer."):
            name = one.module.removeprefix("nlp_transfer.")
            below = [f"{name}.{child}" for child in one.names if f"{name}.{child}" in LIBRARY]
            yield from ((target, one) for target in below or [name])


def package_of(module):
    return module.split(".")[0]


def test_the_house_has_no_more_rooms_than_are_listed():
    assert {package_of(name) for name in LIBRARY} - {"__init__", "__main__"} == MAY_IMPORT.keys()
    assert len(MAY_IMPORT) <= 14


def test_a_package_uses_those_below_it_only():
    below = []
    for package, used in MAY_IMPORT.items():
        assert set(used.split()) <= set(below), f"{package} would import from above"
        below.append(package)


def test_a_file_imports_what_its_package_may():
    """Imports for the type checker count too."""
    for module in sorted(LIBRARY.keys() - {"__init__", "__main__"}):
        package = package_of(module)
        for target, one in own_imports(module, typing_only=True):
            allowed = {package, *MAY_IMPORT[package].split()}
            assert package_of(target) in allowed, f"{LIBRARY[module]}:{one.line} imports {target}"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_uses_what_it_may_import(package):
    used = {
        package_of(target)
        for module in LIBRARY
        if package_of(module) == package
        for target, _ in own_imports(module, typing_only=True)
    }
    assert used - {package} == set(MAY_IMPORT[package].split())


def test_a_package_tells_its_story_in_five_lines():
    for path in LIBRARY.values():
        if path.name == "__init__.py":
            story = read_source(path).story
            assert story is not None, path
            assert len(story.splitlines()) <= 5, path


def test_no_modules_import_each_other_in_a_circle():
    # A package's __init__ stands for the package; its own files may import each other, but not through it.
    graph = {module: {target for target, _ in own_imports(module, typing_only=True)} - {module} for module in LIBRARY}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_heavy_packages_have_one_home_each():
    for module in sorted(LIBRARY.keys() - {"__init__"}):
        for one in imports_of(LIBRARY[module]):
            package = one.module.split(".")[0]
            homes = HOMES.get(package, module).split()
            assert module in homes, f"{LIBRARY[module]}:{one.line} imports {package}, whose home is {homes}"


@pytest.mark.parametrize("package", HOMES)
def test_home_of_a_heavy_package_uses_it(package):
    for home in HOMES[package].split():
        assert package in {one.module.split(".")[0] for one in imports_of(LIBRARY[home], typing_only=True)}


def test_what_help_and_wrong_configurations_load_imports_nothing_heavy():
    for path in [*(LIBRARY[module] for module in sorted(LIGHT)), *TASKS]:
        for one in imports_of(path):
            if one.top:
                assert one.module.split(".")[0] not in HEAVY, f"{path}:{one.line} imports {one.module} at once"


def test_what_help_and_wrong_configurations_load_loads_nothing_else_of_the_library():
    for module in sorted(LIGHT - {"__init__"}):
        assert {target for target, one in own_imports(module) if one.top} <= LIGHT, LIBRARY[module]


def loads(module):
    """The modules of the library that come with one, itself among them."""
    found, left = set(), [module]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += [target for target, used in own_imports(one) if used.top]
    return found


@pytest.mark.parametrize("module", ["runs.answering.predict", "runs.run"])
def test_predicting_and_running_load_what_only_some_runs_use_when_they_use_it(module):
    """Adapters, baselines, metrics, plots and the training of vectors wait for a run that has them."""
    late = {"peft", "sklearn", "evaluate", "matplotlib", "jinja2", "gensim", "scipy", "pandas", "py3langid"}
    for one in sorted(loads(module)):
        for used in imports_of(LIBRARY[one]):
            package = used.module.split(".")[0]
            assert not used.top or package not in late, f"{LIBRARY[one]}:{used.line} imports {package} at once"


@pytest.mark.parametrize("package", ["models.portable.", "data.text.", "models.exported.scripts."])
def test_files_that_travel_with_a_model_stand_alone(package):
    for module, path in LIBRARY.items():
        if module.startswith(package):
            found = [name for name, _ in own_imports(module, typing_only=True)]
            assert all(name.startswith(package) for name in found)
            assert "torch" not in {one.module for one in imports_of(path)} or package == "models.portable."


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_tasks_use_public_names_of_the_library_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(tree) if isinstance(node, ast.Import)
        for alias in node.names if alias.name.startswith("nlp_transfer")
    }  # fmt: skip
    used = {
        node.attr for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases
    }  # fmt: skip
    for one in imports_of(path, typing_only=True):
        if one.module.split(".")[0] == "nlp_transfer":
            assert one.module == "nlp_transfer", f"{path}:{one.line} imports {one.module}"
            used |= set(one.names)
    assert used <= set(nlp_transfer.__all__)


def test_library_reaches_tasks_through_find_task_only():
    for module, path in LIBRARY.items():
        assert not [one for one in imports_of(path, typing_only=True) if "nlp_transfer_tasks" in one.module], path
        source = read_source(path)
        if module not in ("config.tasks", "config.metrics", "__init__"):
            assert not {call for call in source.calls if call.endswith(("import_module", "__import__"))}, path
        assert module == "config.tasks" or "nlp_transfer_tasks" not in source.constants, path


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = (ROOT / "nlp_transfer" / "requirements.txt").read_text(encoding="utf-8")
    extras = project["optional-dependencies"]
    texts = [
        *needed.splitlines(),
        *(
            one
            for name in ("trackers", "bundled", "sheets", "export", "ctranslate2", "search", "demo")
            for one in extras[name]
        ),
    ]
    declared = {canonicalize_name(Requirement(text).name) for text in texts}
    homes = packages_distributions()
    used = {one.module.split(".")[0] for path in [*LIBRARY.values(), *TASKS] for one in imports_of(path)}
    copied = {
        "beams",
        "model",
        "reading",
        "writer",
        "words",
        "pieces",
        "text",
    }  # those that lie beside an exported model
    foreign = used - sys.stdlib_module_names - {"nlp_transfer", "nlp_transfer_tasks"} - copied
    undeclared = {
        name for name in foreign if not {canonicalize_name(one) for one in homes.get(name, [name])} & declared
    }
    assert undeclared == set()


def test_every_public_name_exists_and_is_announced_to_type_checkers():
    announced = {name for one in imports_of(LIBRARY["__init__"], typing_only=True) for name in one.names}
    assert set(nlp_transfer.__all__) <= announced
    assert all(hasattr(nlp_transfer, name) for name in nlp_transfer.__all__)
