"""The recipe for a web service in docs/showing.md, with something in the place of its server."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "showing.md"


class RefusedError(Exception):
    """Stands for the server's."""


@pytest.fixture
def recipe(monkeypatch):
    """What the lines of the page define."""
    standing_in = SimpleNamespace(LitAPI=object, server=SimpleNamespace(HTTPException=RefusedError))
    monkeypatch.setitem(sys.modules, "litserve", standing_in)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    found = {"__name__": "serve_run"}
    exec(compile(code, str(PAGE), "exec"), found)  # noqa: S102 - the page's own
    return found


def test_requests_of_a_batch_are_answered_as_predict_answers_them(recipe, monkeypatch):
    answers = {"good": {"label": "positive"}, "bad": {"label": "negative"}}
    loaded = SimpleNamespace(predict=lambda texts: [answers[text] for text in texts])
    monkeypatch.setattr("nlp_transfer.load", lambda folder: loaded if folder == "runs/reviews" else None, raising=False)
    monkeypatch.setattr(sys, "argv", ["serve_run.py", "runs/reviews"])
    api = recipe["Answering"]()
    api.setup("cpu")
    texts = [api.decode_request({"text": text}) for text in answers]
    assert [api.encode_response(one) for one in api.predict(texts)] == list(answers.values())


@pytest.mark.parametrize("request_", [{}, {"text": " "}, {"text": 3}, {"txt": "good"}])
def test_what_is_no_text_is_refused(recipe, request_):
    with pytest.raises(RefusedError):
        recipe["Answering"]().decode_request(request_)
