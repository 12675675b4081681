"""Publishing to the Hub, promises 31 to 35: what goes up, what comes back, and what happens when something fails."""

import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import hub_server
import pytest
import yaml
from hub_client import connect, light_command, run_of
from hub_server import READER, STRANGER, WRITER, HubServer
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from survival import forked, wait_for
from tiny import LABELS, ROOT, save_checkpoint, save_csv
from transformers import AutoModelForMaskedLM

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.config.tasks import find_task
from nlp_transfer.errors import CheckpointError, DiskError, PublishError, SourceError
from nlp_transfer.evaluation.plotting import SCRATCH, SIMPLE, TRANSFER, plot
from nlp_transfer.sources import load_source
from nlp_transfer.system.hub_calls import call_patiently


@pytest.fixture(scope="module")
def server():
    with HubServer() as server:
        yield server


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    """The loopback Hub, empty, as this process's Hub, and its client's waits shortened."""
    server.clear()
    connect(server, monkeypatch, tmp_path / "cache")
    return server


@pytest.fixture(scope="module", autouse=True)
def _drawn_once():
    """Draw the same rows once: most of these two hundred publications are of one run."""
    done = {}

    def draw_once(rows, baselines, path, *, task):
        drawn = repr((rows, baselines))
        if drawn not in done:
            if not plot(rows, baselines, path, task=task):
                return False
            done[drawn] = path.read_bytes()
        path.write_bytes(done[drawn])
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nlp_transfer.publishing.tree.plot", draw_once)
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A finished run: a whole checkpoint."""
    root = tmp_path_factory.mktemp("small")
    source = {"kind": "checkpoint", "name": save_checkpoint(root / "bert")}
    data = {"train": save_csv(root / "reviews.csv")}
    return run_of(root / "reviews", task={"name": "sentiment"}, source=source, data=data)


@pytest.fixture(scope="module")
def adapter(server, tmp_path_factory):
    """The tree of an adapter alone, and the folder of its base."""
    root = tmp_path_factory.mktemp("adapter")
    with pytest.MonkeyPatch.context() as patch:
        server.clear()
        connect(server, patch, root / "cache")
        base = Path(save_checkpoint(root / "bert"))
        server.make("me/base", files={path.name: path.read_bytes() for path in base.iterdir()})
        source = {"kind": "checkpoint", "name": "me/base"}
        sections = {"strategy": {"kind": "lora", "rank": 2}, "data": {"train": save_csv(root / "reviews.csv")}}
        run = run_of(root / "reviews", task={"name": "sentiment"}, source=source, **sections)
        return publish(run, adapter_only=True, dry_run=True, output=root / "tree").folder, base


def publish(run, repo="me/reviews", **settings):
    return nlp_transfer.publish(run, repo, **{"licence": "mit", "verify": False, **settings})


FILES = {
    *("README.md", "config.json", "config.yaml", "metrics.json", "model.safetensors", "plot.png"),
    *("tokenizer.json", "tokenizer_config.json"),
}


def commits(hub, repo="me/reviews", ref="main"):
    return [commit.title for commit in hub.repositories[repo].history(ref)]


def test_exports_of_the_run_go_up_in_the_same_commit_and_are_not_fetched_with_it(hub, small, tmp_path, command):
    nlp_transfer.export(small, tmp_path / "out")
    code, said, _ = command("publish", small, "me/reviews", "--with-export", tmp_path / "out", "--license", "mit")
    assert (code, "read back, it answers as the run does" in said) == (0, True)
    (commit,) = hub.repositories["me/reviews"].history("main")[:1]
    there = {name.removeprefix("exported/onnx/") for name in commit.files if name.startswith("exported/")}
    assert there == {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert "[`exported/onnx`](exported/onnx/README.md)" in commit.files["README.md"].content.decode()

    nlp_transfer.predict("me/reviews", ["a good film"])
    assert not list((tmp_path / "cache").rglob("*.onnx"))
    publish(small)
    assert not any(name.startswith("exported/") for name in hub.repositories["me/reviews"].history("main")[0].files)

    (tmp_path / "out" / "export.json").write_text('{"format": "onnx", "weights": {"model.safetensors": "0"}}')
    with pytest.raises(PublishError, match="out: was not exported from the weights of this run; export it again"):
        publish(small, exports=[tmp_path / "out"], dry_run=True, output=tmp_path / "tree")
    with pytest.raises(PublishError, match="bert: no export of a run is there; nlp-transfer export RUN OUT makes one"):
        publish(small, exports=[small.parent / "bert"], dry_run=True, output=tmp_path / "tree")


# 31. Faults.

ENDPOINTS = ("create", "info", "preupload", "batch", "put", "verify", "validate", "commit")
KINDS = (503, 429, "drop", "drop after")
LATER = r"Run the same command again"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_fault_that_passes_is_waited_out_and_leaves_one_commit(hub, small, endpoint, kind):
    hub.fail(endpoint, kind)
    assert publish(small).changed
    assert hub.faults[0][2] == 0
    assert commits(hub) == ["Publish reviews", "initial commit"]
    assert set(hub.repositories["me/reviews"].tree()) == {*FILES, ".gitattributes"}


@pytest.mark.parametrize("kind", [503, "drop after"])  # the other two end in the same errors of the client
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_fault_that_stays_ends_in_advice_with_all_or_nothing_there(hub, small, endpoint, kind):
    hub.fail(endpoint, kind, times=1000)
    landed = (endpoint, kind) == ("commit", "drop after")  # it has arrived, and the next look at the head finds it
    if landed:
        publish(small)
    else:
        with pytest.raises(PublishError, match=LATER) as error:
            publish(small)
        assert error.value.exit_code == 6
    tries = sum(name == endpoint for name, _ in hub.asked)
    assert (2 <= tries <= 12) or landed  # six of a request, and two files are put at once
    trees = [repository.tree() for repository in hub.repositories.values()]
    assert all(set(tree) == ({*FILES, ".gitattributes"} if landed else {".gitattributes"}) for tree in trees)
    hub.faults.clear()
    assert publish(small).changed != landed
    assert commits(hub) == ["Publish reviews", "initial commit"]


@pytest.mark.parametrize("kind", [503, "drop"])
@pytest.mark.parametrize("endpoint", ["tree", "resolve"])
def test_faults_while_it_is_read_back_are_waited_out_or_told(hub, small, endpoint, kind):
    hub.fail(endpoint, kind)
    assert publish(small, verify=True).changed
    hub.fail(endpoint, kind, times=1000)
    with pytest.raises(PublishError, match=r"is published as .* could not be read back"):
        publish(small, verify=True)


def test_what_is_there_already_is_not_committed_again(hub, small):
    first, again = publish(small), publish(small)
    assert (first.changed, again.changed) == (True, False)
    assert first.commit == again.commit
    assert len(commits(hub)) == 2


# 32. Interruptions and other people.


@pytest.mark.parametrize("endpoint", ["put", "commit"])
def test_killed_on_the_way_it_completes_when_run_again(hub, small, endpoint):
    hub.fail(endpoint, "hang")
    client = forked(lambda: publish(small))
    assert hub.hanging.wait(60)
    os.kill(client, signal.SIGKILL)
    assert wait_for(client) == -signal.SIGKILL
    assert set(hub.repositories["me/reviews"].tree()) == {".gitattributes"}
    sent = len(hub.stored)
    assert publish(small).changed
    assert set(hub.repositories["me/reviews"].tree()) == {*FILES, ".gitattributes"}
    assert sum(name == "put" and status == 200 for name, status in hub.asked) == 2  # none twice
    assert sent == 2 or endpoint == "put"


def test_a_commit_of_somebody_else_meanwhile_is_a_conflict_and_stays(hub, small):
    def other():
        hub.between = None
        theirs = {**hub.repositories["me/reviews"].find("main").files, "notes.md": hub_server.File(b"mine", False)}
        repository = hub.repositories["me/reviews"]
        repository.add("main", hub_server.Commit("theirs", theirs, repository.refs["main"]))

    hub.between = other
    with pytest.raises(PublishError, match="somebody else has committed meanwhile; nothing was overwritten"):
        publish(small)
    assert commits(hub) == ["theirs", "initial commit"]
    publish(small)
    assert hub.repositories["me/reviews"].tree()["notes.md"] == b"mine"


def test_what_an_earlier_publication_left_is_removed_and_foreign_files_stay(hub, small):
    hub.make("me/reviews", files={"adapter_config.json": b"{}", "notes.md": b"mine", "model.safetensors": b"old"})
    publish(small)
    assert set(hub.repositories["me/reviews"].tree()) == {*FILES, ".gitattributes", "notes.md"}


def test_a_pull_request_leaves_main_alone_and_is_opened_once(hub, small):
    hub.make("me/reviews")
    hub.fail("commit", "drop after")
    first = publish(small, create_pr=True)
    again = publish(small, create_pr=True)
    assert set(hub.repositories["me/reviews"].tree()) == {".gitattributes"}
    assert len(hub.repositories["me/reviews"].pulls) == 1
    assert set(hub.repositories["me/reviews"].tree("refs/pr/1")) == {*FILES, ".gitattributes"}
    assert first.url == again.url == f"{hub.url}/me/reviews/discussions/1"
    assert first.commit == again.commit


def test_a_branch_is_made_and_main_is_left_alone(hub, small):
    assert publish(small, revision="second", verify=True).url == f"{hub.url}/me/reviews/tree/second"
    assert set(hub.repositories["me/reviews"].tree()) == {".gitattributes"}
    assert nlp_transfer.load("me/reviews", revision="second").task.labels == LABELS
    with pytest.raises(CheckpointError, match=r"me/reviews at third: .*Revision Not Found"):
        nlp_transfer.load("me/reviews", revision="third")


def test_an_invalid_branch_name_is_refused(hub, small):
    with pytest.raises(PublishError, match=r"the Hub refuses: .*Invalid reference name: a\.\.b"):
        publish(small, revision="a..b")


def test_the_copy_that_goes_up_stands_in_the_run_folder_and_is_gone_afterwards(hub, small):
    seen = []
    hub.between = lambda: seen.extend(small.glob(".publish-*/model.safetensors"))
    before = set(small.iterdir())
    publish(small)
    assert len(seen) == 1
    assert set(small.iterdir()) == before


def test_weights_that_have_changed_since_go_up_again(hub, small, tmp_path):
    run = shutil.copytree(small, tmp_path / "reviews")
    assert [publish(run).changed, publish(run).changed] == [True, False]
    path = run / "model/model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    assert publish(run).changed
    assert hub.repositories["me/reviews"].tree()["model.safetensors"] == path.read_bytes()


def test_large_files_are_announced_for_the_branch_that_they_go_to(hub, small):
    publish(small, revision="second")
    assert hub.announced == {"second"}


def test_private_makes_it_private_and_is_refused_where_it_is_public(hub, small):
    publish(small, "me/secret", private=True)
    assert hub.repositories["me/secret"].private
    publish(small)
    with pytest.raises(PublishError, match="is there and public"):
        publish(small, private=True)


def test_a_request_that_hung_does_nothing_after_the_state_was_cleared(hub):
    import http.client
    import threading

    ended = []

    def create():
        client = http.client.HTTPConnection("127.0.0.1", hub.http.server_port, timeout=20)
        client.request("POST", "/api/repos/create", json.dumps({"name": "late", "organization": "me"}),
                       {"Authorization": f"Bearer {WRITER}"})  # fmt: skip
        try:
            client.getresponse()
        except (http.client.HTTPException, ConnectionError):
            ended.append(True)

    hub.fail("create", "hang")
    asking = threading.Thread(target=create)
    asking.start()
    assert hub.hanging.wait(20)
    hub.clear()
    asking.join(20)
    assert not asking.is_alive()
    assert ended == [True]
    assert hub.repositories == {}


# 33. Tokens and permissions.


@pytest.mark.parametrize(
    ("token", "repo", "reason"),
    [
        ("hf_" + "x" * 34, "me/reviews", "does not accept the token"),
        (READER, "me/reviews", "no permission"),
        (READER, "me/there", "no permission"),
        (STRANGER, "me/there", "no permission"),
        (WRITER, "other/reviews", "no permission"),
        ("", "me/reviews", "no token: set HF_TOKEN"),
    ],
)
def test_a_wrong_token_or_no_permission_is_said_as_that(hub, small, monkeypatch, token, repo, reason):
    hub.make("me/there")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PublishError, match=reason) as error:
        publish(small, repo)
    assert "not found" not in str(error.value).lower()
    assert token == "" or token not in str(error.value)
    assert [set(one.tree()) for one in hub.repositories.values()] == [{".gitattributes"}]


def test_the_token_stands_in_the_header_only(hub, small):
    publish(small, verify=True)
    assert hub.leaks == []


# 34. What goes up.


def private_places(*more):
    return [str(place).encode() for place in (Path.home(), Path.cwd(), *more)]


def test_nothing_but_the_allowed_files_goes_up_and_they_tell_no_place(hub, small, tmp_path):
    run = shutil.copytree(small, tmp_path / "reviews")
    for stray in ("checkpoints/step-1/optimizer.safetensors", "model/training_args.bin", "model/notes.json", ".env"):
        (run / stray).parent.mkdir(parents=True, exist_ok=True)
        (run / stray).write_text(str(tmp_path))
    publish(run)
    tree = hub.repositories["me/reviews"].tree()
    assert set(tree) == {*FILES, ".gitattributes"}
    places = private_places(small.parent, tmp_path)
    assert not [(name, place) for name, content in tree.items() for place in places if place in content]
    read = yaml.safe_load(tree["config.yaml"])
    assert (read["source"]["name"], read["data"]["train"], read["output"]) == ("bert", "reviews.csv", None)


def test_an_adapter_that_nobody_could_use_is_refused(hub, small):
    with pytest.raises(PublishError, match="there is none in this run"):
        publish(small, adapter_only=True)
    assert hub.asked == []


def test_a_relative_place_goes_by_its_name_too(hub, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers").mkdir()
    data = {"train": save_csv("customers/reviews.csv")}
    source = {"kind": "checkpoint", "name": str(small / "model")}
    publish(run_of("again", task={"name": "sentiment"}, source=source, strategy={"kind": "frozen"}, data=data))
    assert not [name for name, content in hub.repositories["me/reviews"].tree().items() if b"customers" in content]


def public(run, tmp_path, **data):
    """Configuration, metrics and card as they would be published of a run whose configuration names other places."""
    run = shutil.copytree(run, tmp_path / "copy")
    config, metrics = yaml.safe_load((run / "config.yaml").read_text()), json.loads((run / "metrics.json").read_text())
    places = {split: data.get(split) for split in ("train", "validation", "test")}
    config["data"].update(places)
    for split, report in metrics["data"]["splits"].items():
        place = places["train" if report["cut"] else split]
        report["place"] = " + ".join(place.values()) if isinstance(place, dict) else place
        report["origin"] = report["origin"] if report["cut"] else f"{report['place']}; limited"
    metrics["data"]["warnings"] = [f"{metrics['data']['splits']['train']['place']}: labels differ by case"]
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (run / "metrics.json").write_text(json.dumps(metrics))
    done = publish(run, dry_run=True, output=tmp_path / "tree")
    read = {name: (done.folder / name).read_text() for name in ("config.yaml", "metrics.json", "README.md")}
    return yaml.safe_load(read["config.yaml"]), json.loads(read["metrics.json"]), "".join(read.values())


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/mnt/My Docs/secret customer/a.csv", "a.csv"),
        ("~/secret/a.csv", "a.csv"),
        ("file:///secret/a.csv", "a.csv"),
        (r"\\secret\share\a.csv", "a.csv"),
        ("secret/deep/", "deep"),
        ({"text": "/secret + more/a.txt", "label": "/secret/b.txt"}, "a.txt + b.txt"),
    ],
)
def test_every_kind_of_place_goes_by_its_last_name(small, tmp_path, place, name):
    config, metrics, whole = public(small, tmp_path, train=place)
    assert metrics["data"]["splits"]["train"]["origin"] == f"{name}; limited"
    assert metrics["data"]["warnings"] == [f"{name}: labels differ by case"]
    train = config["data"]["train"]
    assert (" + ".join(train.values()) if isinstance(train, dict) else train) == name
    assert "secret" not in whole


@pytest.mark.parametrize("place", [".", "~"])
def test_a_short_place_changes_nothing_but_itself(small, tmp_path, place):
    config, metrics, whole = public(small, tmp_path, train=place)
    assert config["data"]["train"] == place
    before = json.loads((small / "metrics.json").read_text())
    assert (metrics["verdict"], metrics["test"]) == (before["verdict"], before["test"])
    assert Path.home().name not in whole


def test_a_linked_place_goes_by_the_name_of_the_link(small, tmp_path):
    (tmp_path / "secret.csv").write_text("")
    (tmp_path / "reviews.csv").symlink_to(tmp_path / "secret.csv")
    config, _, whole = public(small, tmp_path, train=str(tmp_path / "reviews.csv"))
    assert (config["data"]["train"], "secret" in whole) == ("reviews.csv", False)


def spoil(name, change):
    def spoiled(run):
        text = (run / name).read_text()
        (run / name).write_text(change(text))

    return spoiled


def lose(name):
    return lambda run: (run / name).unlink()


def link(name):
    def linked(run):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to("/etc/hostname")

    return linked


def link_a_folder(run):
    (run / "model").rename(run.parent / "elsewhere")
    (run / "model").symlink_to(run.parent / "elsewhere")


def lose_a_shard(run):
    (run / "model/model.safetensors").rename(run / "model/model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (run / "model/model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


PLACES = ("/mnt/my docs/a", "~/a", "~jane/a", "file:///a", r"\\srv\share", r"look in C:\a", "x /b/c d")


def test_the_publication_of_a_run_that_was_stopped_names_the_command_that_finishes_it(hub, small, tmp_path):
    run = shutil.copytree(small, tmp_path / "reviews")
    (run / "metrics.json").unlink()
    (run / "checkpoints").mkdir()
    with pytest.raises(PublishError, match=r"lacks metrics\.json; go on with it by `run CONFIG --resume .*reviews`"):
        publish(run, licence="mit", dry_run=True)


@pytest.mark.parametrize(
    ("damage", "licence", "reason"),
    [
        (lose("model/model.safetensors"), "mit", r"lacks model\.safetensors; train"),
        (lose_a_shard, "mit", r"lacks model-00002-of-00002\.safetensors; train"),
        (lose("model/tokenizer.json"), "mit", r"lacks tokenizer\.json; train"),
        (lose("model/tokenizer_config.json"), "mit", r"lacks tokenizer_config\.json; train"),
        (spoil("model/config.json", lambda text: text.replace("{", '{"auto_map": {"AutoModel": "other.One"},', 1)),
         "mit", r"lacks other\.py; train"),
        (spoil("model/config.json", lambda text: text[:30]), "mit", r"reviews/model/config\.json: damaged \("),
        (spoil("metrics.json", lambda text: text[:300]), "mit", r"metrics\.json: damaged \(.*line \d+"),
        (link("model/model.safetensors"), "mit", r"model/model\.safetensors: a symbolic link"),
        (link("model/vocab.txt"), "mit", r"model/vocab\.txt: a symbolic link"),
        (link_a_folder, "mit", r"reviews/model: a symbolic link"),
        (spoil("metrics.json", lambda text: re.sub(r'"accuracy": [\d.]+', '"accuracy": NaN', text)), "mit", "NaN"),
        (spoil("metrics.json", lambda text: text.replace('models": []', 'models": [""]')), "mit", "base_model"),
        *(
            (spoil("config.yaml", lambda text, place=place: text.replace("group: null", f"group: '{place}'")), "mit",
             r"config\.yaml: data\.group: shows a place of this machine")
            for place in PLACES
        ),
        (lose("metrics.json"), "mit", "not a finished run: it lacks metrics.json"),
        (spoil("environment.json", lambda text: text[:30]), "mit", r"environment\.json: damaged \("),
        (lose("model/config.json"), "mit", "not a finished run: it lacks model/config.json"),
        (lambda run: None, "apache", r"the Hub does not know 'apache'.*Did you mean 'apache-2.0'"),
        (lambda run: None, "unknown", "the Hub does not know 'unknown'"),
        (lambda run: None, None, "not known for these weights; .*--license"),
        (spoil("model/config.json", lambda text: text.replace("positive", "hf_" + "a" * 30)), "mit", "token"),
        (spoil("model/config.json", lambda text: text.replace("positive", f"{Path.home()}/x")), "mit", "folder of"),
    ],
    ids=["weights", "shard", "tokenizer", "its configuration", "code", "cut config", "cut metrics", "linked weights",
         "link", "linked folder",
         "nan", "base", *PLACES, "metrics", "environment", "config", "apache", "unknown", "none", "token", "place"],
)  # fmt: skip
def test_what_must_not_go_up_is_refused_before_the_network(hub, small, tmp_path, damage, licence, reason):
    run = shutil.copytree(small, tmp_path / "reviews")
    damage(run)
    for dry_run in (True, False):
        with pytest.raises(PublishError, match=reason):
            publish(run, licence=licence, dry_run=dry_run, output=tmp_path / "tree" if dry_run else None)
        shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    assert hub.asked == []


@pytest.fixture
def unwritable(small):
    """The run where this process may read only; root, whom no permission stops, is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        run = shutil.copytree(small, Path(place) / "reviews")
        for path in (run, *run.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        yield run
        if root:
            os.seteuid(0)
        run.chmod(0o755)


def test_a_run_that_is_read_only_is_published_and_leaves_nothing_behind(hub, unwritable):
    def there():
        return {*unwritable.rglob("*"), *Path(tempfile.gettempdir()).glob("nlp-transfer-publish-*")}

    before = there()
    with pytest.raises(PermissionError):
        (unwritable / "x").touch()
    publish(unwritable)
    assert "model.safetensors" in hub.repositories["me/reviews"].history("main")[0].files
    assert there() == before


def test_a_hub_that_accepts_and_then_is_silent_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr("nlp_transfer.system.hub_calls.READING", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        connect(SimpleNamespace(url=url), monkeypatch, tmp_path / "cache")
        with pytest.raises(CheckpointError, match="the connection to the Hub was lost, again and again"):
            nlp_transfer.load("me/reviews")


@pytest.mark.parametrize("repo", ["reviews", "me/", "me/re views", "https://huggingface.co/me/reviews", "a/b/c"])
def test_a_name_that_is_none_is_refused_before_the_network(hub, small, repo):
    with pytest.raises(PublishError, match="is no id on the Hub"):
        publish(small, repo)
    assert hub.asked == []


def test_answers_that_differ_after_publishing_are_an_error_that_says_what_to_do(hub, small, tmp_path):
    run = shutil.copytree(small, tmp_path / "reviews")
    spoil("probes.jsonl", lambda text: re.sub(r'"negative": [\d.]+', '"negative": 0.123', text))(run)
    with pytest.raises(PublishError, match="do not use that commit; revert it on the Hub"):
        publish(run, verify=True)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:100])


def without_base(path):
    path.write_text(path.read_text().replace("me/base", "me/nowhere"))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("adapter_model.safetensors", cut_short),
        ("config.yaml", without_base),
        ("metrics.json", lambda path: path.write_text("{}")),
        ("adapter_config.json", lambda path: path.write_text("{}")),
        ("tokenizer.json", lambda path: path.unlink()),
    ],
)
def test_a_damaged_adapter_is_a_damaged_model_and_says_which(hub, adapter, tmp_path, name, damage):
    tree, base = adapter
    hub.make("me/base", files={path.name: path.read_bytes() for path in base.iterdir()})
    damage(shutil.copytree(tree, tmp_path / "tree") / name)
    with pytest.raises(CheckpointError, match=r"tree|me/nowhere"):
        nlp_transfer.load(tmp_path / "tree")


def test_a_fetched_configuration_imports_no_module_and_the_caller_may(hub, small, tmp_path, monkeypatch):
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen" / "__init__.py").write_text("")
    shutil.copy(ROOT / "tasks/nlp_transfer_tasks/sentiment.py", tmp_path / "chosen" / "own.py")
    monkeypatch.syspath_prepend(tmp_path)
    tree = publish(small, dry_run=True, output=tmp_path / "tree").folder
    spoil("config.yaml", lambda text: text.replace("name: sentiment", "name: chosen.own"))(tree)
    hub.make("me/chosen", files={name: (tree / name).read_bytes() for name in FILES})
    for place in ("me/chosen", tree):
        with pytest.raises(CheckpointError, match=r"task 'chosen\.own' is none of ours .* load\(folder, task=CLASS\)"):
            nlp_transfer.load(place)
    assert "chosen" not in sys.modules
    own = find_task("chosen.own")
    assert nlp_transfer.load("me/chosen", task=own).predict(["a film"])


def test_the_plot_of_a_card_shows_every_method_of_its_table(hub, small, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    run = shutil.copytree(small, tmp_path / "reviews")
    metrics = json.loads((run / "metrics.json").read_text())
    control = {split: metrics[split] for split in ("validation", "test")}
    (run / "metrics.json").write_text(json.dumps({**metrics, "controls": {"bert from scratch, full": control}}))
    publish(run, dry_run=True, output=tmp_path / "tree")
    bars = {label.get_text(): to_hex(bar.get_facecolor()) for label, bar in
            zip(figures[0].axes[0].get_yticklabels(), figures[0].axes[0].patches, strict=True)}  # fmt: skip
    assert bars == {
        "bert, full": TRANSFER,
        "majority": SIMPLE,
        "tfidf_logistic": SIMPLE,
        "bert from scratch, full": SCRATCH,
    }


# 35. Without a network.


def test_a_dry_run_writes_the_exact_tree_and_asks_nobody(hub, small, tmp_path):
    done = publish(small, dry_run=True, output=tmp_path / "tree")
    assert hub.asked == []
    publish(small)
    tree = hub.repositories["me/reviews"].tree()
    assert {name: (tmp_path / "tree" / name).read_bytes() for name in done.files} == {
        name: content for name, content in tree.items() if name != ".gitattributes"
    }
    assert tree["plot.png"].startswith(b"\x89PNG")
    assert "](plot.png)" in tree["README.md"].decode()
    with pytest.raises(PublishError, match="--output says where --dry-run writes"):
        publish(small, output=tmp_path / "other")
    with pytest.raises(PublishError, match="holds something already"):
        publish(small, dry_run=True, output=tmp_path / "tree")


def test_a_dry_run_that_is_refused_leaves_nothing_in_the_way_of_the_next(small, tmp_path):
    with pytest.raises(PublishError, match="--license"):
        publish(small, dry_run=True, output=tmp_path / "tree", licence=None)
    assert publish(small, dry_run=True, output=tmp_path / "tree").folder == tmp_path / "tree"


@pytest.mark.parametrize(("name", "shown"), [("5e-5", "5e-5"), ("minilm", "local-minilm")])
def test_the_name_of_a_local_source_is_read_back_and_is_never_that_of_a_bundled_one(small, tmp_path, name, shown):
    run = shutil.copytree(small, tmp_path / "run")
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["source"]["name"] = str(tmp_path / name)
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    tree = publish(run, dry_run=True).folder
    assert load_config(tree / "config.yaml").source.name == shown
    assert f"started from `{shown}`, " in (tree / "README.md").read_text()


def test_a_full_disk_here_is_not_blamed_on_the_hub(tmp_path):
    def full():
        raise OSError(28, "No space left on device", str(tmp_path))

    with pytest.raises(DiskError, match=rf"^no room for {tmp_path}: .*; make room, or set HF_HOME to a folder on"):
        call_patiently(full)


@pytest.mark.parametrize("setting", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://192.0.2.1"}], ids=["off", "away"])
def test_offline_it_says_so_before_torch_is_loaded(server, small, tmp_path, setting):
    done = light_command("publish", small, "me/reviews", server=server, home=tmp_path, **setting)
    assert done.returncode == 6, done.stderr
    assert "out of reach" in done.stderr
    done = light_command("predict", "me/reviews", server=server, home=tmp_path, **setting)
    assert done.returncode == 4, done.stderr
    assert "the cache has no copy" in done.stderr


def test_a_run_that_is_missing_is_said_before_the_hub_is_asked_for(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = command("publish", tmp_path / "nosuch", "me/reviews")
    assert (code, err) == (4, f"error: {tmp_path / 'nosuch'}: no such run folder\n")


def test_a_source_on_the_hub_takes_a_revision_and_comes_from_the_cache_when_offline(hub, small, monkeypatch):
    from huggingface_hub import constants

    publish(small, "me/base", revision="second")
    place = {"kind": "checkpoint", "name": "me/base"}
    assert load_source(**place, revision="second").config.num_labels == len(LABELS)
    with pytest.raises(SourceError, match="me/base"):
        _ = load_source(**place).config
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.asked)
    assert load_source(**place, revision="second").config.num_labels == len(LABELS)
    with pytest.raises(SourceError, match="the Hub is out of reach and its cache lacks it"):
        _ = load_source(**place, revision="third").config
    assert len(hub.asked) == asked


def test_the_command_publishes_predicts_and_fails_with_code_6(hub, command, small, tmp_path):
    code, out, err = command("publish", small, "me/reviews", "--license", "mit")
    assert code == 0, err
    assert "read back, it answers as the run does" in out
    assert WRITER not in out + err
    (tmp_path / "new.txt").write_text("a good film\n")
    code, out, err = command("predict", "me/reviews", tmp_path / "new.txt")
    assert json.loads(out) == nlp_transfer.load(small).predict(["a good film"])[0], err
    code, _, err = command("publish", small, "other/reviews", "--license", "mit")
    assert (code, "no permission" in err) == (6, True), err
    assert "Traceback" not in err


def test_a_dry_run_into_the_run_folder_can_be_repeated(small):
    for _ in range(2):
        done = publish(small, dry_run=True)
        assert done.folder == small / "publish"


def test_a_repository_without_a_model_on_its_branch_says_so(hub, command, small):
    publish(small, create_pr=True)
    code, _, err = command("predict", "me/reviews")
    assert code == 4
    assert "me/reviews: no model of nlp-transfer is there; is it on a branch or in a pull request?" in err


@pytest.mark.parametrize("verb", [["predict", "me/evil", "-"], ["evaluate", "me/evil", "--data", "a.csv"]])
def test_a_fetched_configuration_that_names_code_is_refused_by_the_command(hub, command, monkeypatch, tmp_path, verb):
    monkeypatch.chdir(tmp_path)
    save_csv("a.csv")
    (tmp_path / "evil_task.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    section = b"task: {name: evil_task.x}\ndata: {train: a.csv}\n"
    hub.make("me/evil", files={"config.yaml": section, "metrics.json": b"{}", "config.json": b"{}"})
    code, _, err = command(*verb)
    assert (code, (tmp_path / "ran").exists()) == (4, False)
    assert "the task 'evil_task.x' is none of ours" in err


def test_a_source_that_was_adapted_is_published_and_is_a_source_again(hub, tmp_path):
    rows = [f"the film number {number} was good" for number in range(30)]
    base, steps = save_checkpoint(tmp_path / "bert"), ["training.precision=fp32"]
    run = nlp_transfer.adapt(base, rows, tmp_path / "adapted", steps, epochs=1, progress=False)
    assert publish(run.folder, "me/adapted", verify=True).changed
    assert 'pipeline("fill-mask", model="me/adapted")' in str(hub.repositories["me/adapted"].tree()["README.md"])
    assert not load_source("checkpoint", name="me/adapted").model(AutoModelForMaskedLM).new
