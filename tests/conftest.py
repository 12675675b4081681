"""One thread, no network, and caches of the tests' own."""

import functools
import gc
import hashlib
import io
import os
import re
import signal
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.load_profile("ci")  # the same examples everywhere, and as long as a busy machine takes for each
CACHE = tempfile.TemporaryDirectory(prefix="nlp-transfer-tests-")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(CACHE.name) / "huggingface")
os.environ["NLP_TRANSFER_CACHE"] = str(Path(CACHE.name) / "nlp-transfer")
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else a hundred fresh processes compile the package, each anew
sys.dont_write_bytecode = False
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the same numbers everywhere


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)
    gc.freeze()  # what is imported stays: collections need not walk through it again and again
    gc.set_threshold(20_000)  # nor so often: a model of a few numbers is made of thousands of objects


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk():
    """Leave out `fsync`, which a training calls dozens of times: no test pulls the plug."""
    patch = pytest.MonkeyPatch()
    patch.setattr(os, "fsync", lambda _: None)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _fitted_once():
    """Fit TF-IDF once on the same rows: hundreds of runs have those of `tiny`."""
    from nlp_transfer.evaluation import baselines, label_sets

    done = {}

    def once(fit):
        def fit_once(splits, *others, **settings):
            parts = (splits.train, splits.validation, splits.test)
            if not all(hasattr(part, "column_names") for part in parts):  # rows that a test made by hand
                return fit(splits, *others, **settings)
            rows = [{role: part[role][:] for role in part.column_names} for part in parts]
            tried = sys.modules[fit.__module__].STRENGTHS
            told = repr((fit.__module__, tried, getattr(splits, "labels", None), others, settings, rows))
            given = hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()
            if given not in done:
                done[given] = fit(splits, *others, **settings)
            return done[given]

        return fit_once

    patch = pytest.MonkeyPatch()
    patch.setattr(baselines, "fit_tfidf_logistic", once(baselines.fit_tfidf_logistic))
    patch.setattr(label_sets, "_fit_tfidf_logistic", once(label_sets._fit_tfidf_logistic))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _shaped_once():
    """Build the twin of a model, which shows what shapes its weights must have, once for each configuration."""
    from nlp_transfer.sources import heads, shapes

    build_empty, done = shapes.build_empty, {}

    def once(build, config):
        values = {**config.to_dict(), "id2label": len(config.id2label), "label2id": None, "_name_or_path": None}
        if (key := (build, type(config), repr(values))) not in done:
            if len(done) == 100:  # each holds thousands of objects
                done.clear()
            done[key] = build_empty(build, config)
        return done[key]

    patch = pytest.MonkeyPatch()
    for module in (shapes, heads):
        patch.setattr(module, "build_empty", once)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _solved_once():
    """Solve a head once on the same features: fifty regressions each time, of models that many tests share."""
    from nlp_transfer.training import regression

    done = {}

    def once(fit):
        def fit_once(known, strengths, *others, **settings):
            told = repr((fit.__name__, [(one.shape, one.dtype) for one in known], tuple(strengths), others, settings))
            given = hashlib.sha256(b"".join([told.encode(), *(one.tobytes() for one in known)])).digest()
            if given not in done:
                done[given] = list(fit(known, strengths, *others, **settings))
            return iter(done[given])

        return fit_once

    patch = pytest.MonkeyPatch()
    for name in ("fit_multinomial", "fit_binary"):
        patch.setattr(regression, name, once(getattr(regression, name)))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _charted_once():
    """Draw each chart of a run once: a training that is resumed, or published, has those of one that is not."""
    from nlp_transfer.evaluation.html_report import class_parts, run_page

    def once(draw, look):
        done = {}

        def draw_once(*given):
            if (shown := repr(look(*given))) not in done:
                done[shown] = draw(*given)
            return done[shown]

        return draw_once

    def look_at_history(history, metric):
        return metric, [(one["phase"], one.get("loss"), one["validation"].get(metric)) for one in history]

    patch = pytest.MonkeyPatch()
    patch.setattr(run_page, "draw_history", once(run_page.draw_history, look_at_history))
    patch.setattr(class_parts, "draw_reliability", once(class_parts.draw_reliability, lambda confidence: confidence))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _painted_once():
    """Paint pictures of the same words once, a third of a second each: others differ by their figures only."""
    from nlp_transfer.evaluation import plotting
    from nlp_transfer.system.disk import write_whole

    paint, done = plotting._write_picture, {}

    def paint_once(figure, path):
        words = [re.sub(r"[\d.]+", "0", one.get_text()) for one in figure.findobj(lambda one: hasattr(one, "get_text"))]
        if (look := (*words, type(figure).savefig)) not in done:  # which a test may have changed
            paint(figure, path)
            done[look] = path.read_bytes()
        write_whole(path, done[look])

    patch = pytest.MonkeyPatch()
    patch.setattr(plotting, "_write_picture", paint_once)
    yield
    patch.undo()


@pytest.fixture(scope="module", autouse=True)
def _few_penalties(request):
    """Try two penalties, of three and of eight, where neither their choice nor a score of real data is looked at."""
    from nlp_transfer.evaluation import baselines, label_sets
    from nlp_transfer.training import solver

    patch, choosing = pytest.MonkeyPatch(), {"test_baselines", "test_selection", "test_solving"}
    if request.path.stem not in choosing and request.path.parent.name != "real":
        for module, step in ((baselines, 2), (label_sets, 2), (solver, 4)):
            patch.setattr(module, "STRENGTHS", module.STRENGTHS[::-step][::-1])
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _built_once():
    """Build the command line once, of thirty verbs, and not for each command."""
    import typer.main

    patch = pytest.MonkeyPatch()
    patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _no_collecting():
    """Leave garbage to the interpreter between the phases of a training, which looks for it in all that is loaded."""
    from accelerate.utils import memory

    patch, clear = pytest.MonkeyPatch(), memory.clear_device_cache
    patch.setattr(memory, "clear_device_cache", lambda garbage_collection: clear())
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _no_long_timing():
    """Time one answer where a run would time answers for two seconds: no test looks at a clock."""
    from nlp_transfer.runs import costs

    patch = pytest.MonkeyPatch()
    patch.setattr(costs, "BUDGET", 0.0)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _no_network():
    """Fail at every attempt to reach another machine; `pytest.fail` passes through `except Exception`."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name)))
    patch.setattr(socket, "getaddrinfo", _loopback_only(socket.getaddrinfo, first=True))
    yield
    patch.undo()


def _loopback_only(original, *, first=False):
    def guarded(*arguments, **settings):
        address = arguments[0] if first else arguments[1]
        host = address[0] if isinstance(address, tuple) else address if first else None  # None: a Unix socket
        if host not in (None, "", "localhost", "::1", socket.gethostname()) and not str(host).startswith("127."):
            pytest.fail(f"a test tried to reach {host}")
        return original(*arguments, **settings)

    return guarded


@pytest.fixture(autouse=True)
def _no_precision_left_over():
    """Accelerate keeps the number format of the first run of a process; each test chooses its own."""
    yield
    if "accelerate.state" in sys.modules:
        sys.modules["accelerate.state"].AcceleratorState._reset_state()


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command line in this process; returns exit code, stdout and stderr."""
    from nlp_transfer.cli import process as cli

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["nlp-transfer", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)
