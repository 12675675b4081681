"""The garbage collector rests where it would only cost time."""

import gc
import sys

from nlp_transfer.system.garbage import keep_imports


def test_what_is_imported_for_good_is_not_looked_at_again(tmp_path, monkeypatch):
    (tmp_path / "imported_for_good.py").write_text("held = [[] for _ in range(1000)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    with keep_imports():
        assert not gc.isenabled()
        import imported_for_good

        held = imported_for_good.held
    assert gc.isenabled()
    assert not any(one is held for one in gc.get_objects())  # which are those that the collector looks at
    del sys.modules["imported_for_good"]


def test_a_command_that_finds_all_imported_leaves_the_collector_its_work():
    held = [[] for _ in range(1000)]
    with keep_imports():
        pass
    assert any(one is held for one in gc.get_objects())
