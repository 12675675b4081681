"""One training a process; what only reads may go on beside it."""

import importlib
import threading
import time

import pytest
from survival import config, forked, outcome, run, wait_for

import nlp_transfer
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.system.alone import claim_process

REFUSED = "another run, comparison or check is at work in this process"


def in_a_thread(work):
    """What a call gives or raises in a thread of its own."""
    found = []

    def call():
        try:
            found.append(work())
        except ConfigError as error:
            found.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return found[0]


def test_a_second_training_in_another_thread_is_refused_and_the_first_is_as_if_alone(place, tmp_path, during):
    wanted = config(place, epochs=1)
    run(wanted, tmp_path / "whole")
    others = [
        lambda: run(config(place, seed=1), tmp_path / "second"),
        lambda: nlp_transfer.check(config(place, seed=1)),
        lambda: nlp_transfer.load(tmp_path / "whole").predict(["a good film"]),
    ]
    found = []
    during(4, lambda _: found.extend(map(in_a_thread, others)))
    run(wanted, tmp_path / "run")
    assert all(isinstance(one, ConfigError) and str(one).startswith(REFUSED) for one in found[:2])
    assert found[2][0]["label"]
    assert not (tmp_path / "second").exists()
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_comparison_is_a_training_too(place, tmp_path):
    import yaml

    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config(place)))
    with claim_process():
        said = in_a_thread(lambda: nlp_transfer.compare([tmp_path / "run.yaml"], output=tmp_path / "both"))
    assert str(said).startswith(REFUSED)
    assert not (tmp_path / "both").exists()


def test_a_training_that_failed_is_not_in_the_way_of_the_next(place, tmp_path):
    wrong = {**config(place), "data": {"train": str(tmp_path / "nowhere.csv")}}
    for _ in range(2):
        with pytest.raises(DataError, match="no such file"):
            run(wrong, tmp_path / "run")


def test_a_process_that_was_forked_from_a_training_may_train(place, tmp_path):
    with claim_process():
        child = forked(lambda: run(config(place, "solved", "bag"), tmp_path / "run"))
        assert wait_for(child) == 0


def test_threads_that_are_the_first_to_use_the_library_import_it_one_after_the_other(monkeypatch):
    names = ("check", "compare", "evaluate", "run", "train_vectors")
    importing, seen, load = [], [], importlib.import_module

    def slowly(name):
        importing.append(name)
        time.sleep(0.02)  # the others come in the meantime
        seen.append((name, [*importing]))
        importing.remove(name)
        return load(name)

    monkeypatch.setattr(importlib, "import_module", slowly)
    threads = [threading.Thread(target=getattr, args=(nlp_transfer, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(names)
    assert all(beside == [name] for name, beside in seen)
