"""A loopback server that speaks the Hub's protocol to the real `huggingface_hub` client and is as strict as the Hub.

It holds repositories with branches, pull requests and commits in memory, checks digests, sizes, names, permissions and
cards, and can fail at any endpoint: `server.fail("commit", "drop after")`. Written from the requests of
huggingface_hub 2.4; start it, set HF_ENDPOINT and HF_HUB_DISABLE_XET=1 for the client.
"""

import base64
import contextlib
import hashlib
import json
import math
import re
import secrets
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

WRITER, READER, STRANGER = "hf_" + "w" * 34, "hf_" + "r" * 34, "hf_" + "s" * 34
USERS = {WRITER: ("me", True), READER: ("me", False), STRANGER: ("other", True)}  # token -> user, may write
LARGE = ("*.safetensors", "*.bin", "*.spm", "*.model", "*.npy", "*.png", "*.onnx", "*.pt", "*.h5")
ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE).encode()
PAGE = 6  # entries of a listing; the Hub's pages are longer
NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]{0,95}(?<![.-])")
TAGS = {"text-classification", "translation", "summarization", "text-generation", "feature-extraction", "fill-mask"}
LICENCES = {"apache-2.0", "mit", "pddl", "cc-by-4.0", "cc-by-sa-4.0", "bsd-3-clause", "gpl-3.0", "other", "unknown"}
MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def blob_digest(content):
    """Git's digest of a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class File:
    """A file of a commit; of a large one git holds a pointer."""

    content: bytes
    large: bool

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self):
        text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n"
        return text.encode()

    @property
    def oid(self):
        return blob_digest(self.pointer if self.large else self.content)


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    title: str
    files: dict
    parent: str | None
    oid: str = field(default_factory=lambda: secrets.token_hex(20))


@dataclass
class Repository:
    """Branches and pull requests, by the name of their reference."""

    private: bool
    owner: str
    commits: dict = field(default_factory=dict)
    refs: dict = field(default_factory=dict)
    pulls: list = field(default_factory=list)

    def add(self, ref, commit):
        self.commits[commit.oid] = commit
        self.refs[ref] = commit.oid

    def find(self, revision):
        return self.commits.get(self.refs.get(revision, revision))

    def history(self, ref="main"):
        """The commits of a reference, newest first."""
        found, oid = [], self.refs[ref]
        while oid:
            found.append(self.commits[oid])
            oid = found[-1].parent
        return found

    def tree(self, ref="main"):
        """Name -> content."""
        return {name: file.content for name, file in self.find(ref).files.items()}


@dataclass
class RefusalError(Exception):
    """An answer other than success."""

    status: int
    message: str
    code: str | None = None


class HubServer:
    """The state, the faults to come, and what was asked."""

    def __init__(self):
        self.repositories = {}
        self.stored = {}  # sha256 -> content
        self.granted = {}  # signature -> (sha256, size)
        self.faults = []  # [endpoint, kind, times]
        self.asked = []  # (endpoint, status)
        self.leaks = []  # tokens that stood elsewhere than in the Authorization header
        self.announced = set()  # branches that files were announced for
        self.between = None  # called when a commit arrives, before it is looked at
        self.hanging = threading.Event()
        self.released = threading.Event()
        self.lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def clear(self):
        """Forget everything."""
        for kept in (self.repositories, self.stored, self.granted, self.faults, self.asked, self.leaks, self.announced):
            kept.clear()
        self.between = None
        self.hanging.clear()
        self.released.set()  # who hangs is dropped,
        self.released = threading.Event()  # and who comes later waits for the next clearing

    def fail(self, endpoint, kind, times=1):
        """Answer with 503 or 429, `drop` the connection before the work or `drop after` it, or `hang` and drop."""
        self.faults.append([endpoint, kind, times])

    def fault(self, endpoint):
        for fault in self.faults:
            if fault[0] == endpoint and fault[2] > 0:
                fault[2] -= 1
                return fault[1]
        return None

    def make(self, name, *, private=False, files=None):
        """A repository with its first commit, as the Hub makes it."""
        held = {".gitattributes": ATTRIBUTES, **(files or {})}
        repository = Repository(private, name.split("/")[0])
        repository.add("main", Commit("initial commit", {k: File(v, is_large(k, v)) for k, v in held.items()}, None))
        self.repositories[name] = repository
        return repository


def is_large(name, sample, size=0):
    """Whether the Hub keeps a file as a large one."""
    return size > 10_000_000 or any(fnmatch(name.split("/")[-1], pattern) for pattern in LARGE) or b"\0" in sample


def card_errors(text):
    """What the Hub's validation says against a card."""
    found = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    if not found:
        return []
    try:
        data = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f"YAML: {error}"]
    if not isinstance(data, dict):
        return ["metadata is no mapping"]
    wrong = []
    if "license" in data and data["license"] not in LICENCES:
        wrong.append(f'"license" must be one of [{", ".join(sorted(LICENCES))}]')
    for key, where in (("base_model", "models"), ("datasets", "datasets")):
        names = [data[key]] if isinstance(data.get(key), str) else data.get(key, [])
        if key in data and not names:
            wrong.append(f'"{key}" is not allowed to be empty')
        wrong += [
            f'"{key}" with value "{name}" is not valid. Use a model id from https://hf.co/{where}.'
            for name in names
            if not MODEL_ID.fullmatch(str(name))
        ]
    if data.get("base_model_relation", "finetune") not in {"finetune", "adapter", "merge", "quantized"}:
        wrong.append('"base_model_relation" must be one of [finetune, adapter, merge, quantized]')
    if data.get("pipeline_tag", "translation") not in TAGS:
        wrong.append('"pipeline_tag" must be one of the tasks')
    for language in data.get("language", []):
        if not re.fullmatch(r"[a-z]{2,3}", str(language)):
            wrong.append(f'"language" must only contain lowercase ISO codes, got {language}')
    for index, entry in enumerate(data.get("model-index", [])):
        wrong += _index_errors(entry, f"model-index[{index}]")
    return wrong


def _index_errors(entry, where):
    if not entry.get("name"):
        yield f'"{where}.name" is required'
    for number, result in enumerate(entry.get("results") or ()):
        at = f"{where}.results[{number}]"
        for path in ("task.type", "dataset.type", "dataset.name"):
            outer, inner = path.split(".")
            if not result.get(outer, {}).get(inner):
                yield f'"{at}.{path}" is required'
        for position, metric in enumerate(result.get("metrics") or ()):
            value = metric.get("value")
            if not metric.get("type") or isinstance(value, bool) or not isinstance(value, int | float):
                yield f'"{at}.metrics[{position}]" needs type and value'
            elif not math.isfinite(value):
                yield f'"{at}.metrics[{position}].value" must be a finite number'


REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [  # name, method, path
    ("create", "POST", r"/api/repos/create"),
    ("validate", "POST", r"/api/validate-yaml"),
    ("whoami", "GET", r"/api/whoami-v2"),
    ("preupload", "POST", rf"/api/models/{REPO}/preupload/(?P<revision>[^/]+)"),
    ("commit", "POST", rf"/api/models/{REPO}/commit/(?P<revision>[^/]+)"),
    ("branch", "POST", rf"/api/models/{REPO}/branch/(?P<revision>[^/]+)"),
    ("discussions", "GET", rf"/api/models/{REPO}/discussions"),
    ("tree", "GET", rf"/api/models/{REPO}/tree/(?P<revision>[^/]+)(?P<path>/.*)?"),
    ("info", "GET", rf"/api/models/{REPO}/revision/(?P<revision>[^/]+)"),
    ("info", "GET", rf"/api/models/{REPO}"),
    ("batch", "POST", rf"/{REPO}\.git/info/lfs/objects/batch"),
    ("verify", "POST", rf"/{REPO}\.git/info/lfs/verify"),
    ("put", "PUT", r"/storage/(?P<signature>\w+)"),
    ("resolve", "GET", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
    ("resolve", "HEAD", rf"/{REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms until the client has confirmed its headers
    hub: HubServer

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self):
        self._answer()

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - names of http.server

    def _answer(self):
        split = urlsplit(self.path)
        self.query = {key: values[0] for key, values in parse_qs(split.query).items()}
        self.body = self._read()
        name, found = next(
            (
                (name, found)
                for name, method, path in ROUTES
                if method == self.command and (found := re.fullmatch(path, split.path))
            ),
            ("unknown", None),
        )
        if any(token.encode() in self.body or token in self.path for token in USERS):
            self.hub.leaks.append(f"{self.command} {self.path}")
        fault = self.hub.fault(name)
        if fault == "hang":
            released = self.hub.released
            self.hub.hanging.set()
            released.wait(60)
        if fault in ("drop", "hang"):
            return self._drop(name)
        try:
            status, headers, content = self._work(name, found, fault)
        except RefusalError as refusal:
            status, headers, content = self._refused(refusal)
        if fault == "drop after":
            return self._drop(name)
        self.hub.asked.append((name, status))
        return self._send(status, headers, content)

    def _work(self, name, found, fault):
        if fault in (503, 429):
            raise RefusalError(fault, "busy")
        if found is None:
            raise RefusalError(404, f"no such endpoint: {self.command} {self.path}")
        parts = {key: unquote(value) for key, value in found.groupdict().items() if value is not None}
        with self.hub.lock:
            return getattr(self, f"_{name}")(**parts)

    def _read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _drop(self, name):
        self.hub.asked.append((name, None))
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client may have gone
            self.connection.shutdown(2)

    def _refused(self, refusal):
        if refusal.status == 503:  # of a proxy, as it happens: no JSON
            return 503, {"Content-Type": "text/html"}, b"<html>Service Unavailable</html>"
        headers = {"X-Error-Message": refusal.message}
        if refusal.code:
            headers["X-Error-Code"] = refusal.code
        if refusal.status == 429:
            headers["Retry-After"] = "0"
        return refusal.status, headers, {"error": refusal.message}

    def _send(self, status, headers, content):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    # Who asks, and for what.

    def _user(self):
        given = self.headers.get("Authorization")
        if given is None:
            return None, False
        user = USERS.get(given.removeprefix("Bearer "))
        if user is None:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return user

    def _repository(self, name, *, write=False):
        user, may_write = self._user()
        found = self.hub.repositories.get(name)
        if found is None or (found.private and user != found.owner):
            raise RefusalError(404 if user else 401, "Repository not found", "RepoNotFound")
        if write and user is None:
            raise RefusalError(401, "Invalid username or password.")
        if write and not (may_write and user == found.owner):
            raise RefusalError(403, "Forbidden: you need the write permission on this repository")
        return found

    def _at(self, repository, revision):
        found = repository.find(revision)
        if found is None:
            raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return found

    # Endpoints.

    def _whoami(self):
        user, _ = self._user()
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        return 200, {}, {"type": "user", "name": user, "orgs": [], "auth": {"type": "access_token"}}

    def _create(self):
        asked = json.loads(self.body)
        user, may_write = self._user()
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        owner = asked.get("organization") or user
        name = f"{owner}/{asked['name']}"
        if asked.get("type", "model") != "model" or not NAME.fullmatch(asked["name"]):
            raise RefusalError(400, f"Invalid repo name: {name}")
        if owner != user or not may_write:
            raise RefusalError(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
        if name in self.hub.repositories:
            return 409, {}, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}
        self.hub.make(name, private=asked.get("visibility") == "private")
        return 200, {}, {"url": f"{self.hub.url}/{name}", "name": name}

    def _validate(self):
        asked = json.loads(self.body)
        errors = [{"message": error} for error in card_errors(asked["content"])]
        return (400 if errors else 200), {}, {"errors": errors, "warnings": []}

    def _branch(self, repo, revision):
        repository = self._repository(repo, write=True)
        if revision in repository.refs:
            raise RefusalError(409, "Reference already exists")
        if re.search(r"\.\.|[\x00- ~^:?*\[\\]|@\{|//|^[-/.]|[/.]$|\.lock$", revision):  # git-check-ref-format
            raise RefusalError(400, f"Invalid reference name: {revision}")
        repository.refs[revision] = repository.refs["main"]
        return 200, {}, {}

    def _info(self, repo, revision="main"):
        repository = self._repository(repo)
        commit = self._at(repository, revision)
        siblings = [{"rfilename": name} for name in sorted(commit.files)]
        if self.query.get("blobs"):
            for one in siblings:
                file = commit.files[one["rfilename"]]
                one |= {"size": len(file.content), "blobId": file.oid}
                if file.large:
                    size = len(file.content)
                    one["lfs"] = {"sha256": file.sha256, "size": size, "pointerSize": len(file.pointer)}
        facts = {"_id": "0", "id": repo, "modelId": repo, "sha": commit.oid, "private": repository.private}
        return 200, {}, {**facts, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}

    def _tree(self, repo, revision, path=""):
        commit = self._at(self._repository(repo), revision)
        entries = []
        folders = {name.rpartition("/")[0] for name in commit.files if "/" in name}
        entries += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in sorted(folders)]
        for name, file in sorted(commit.files.items()):
            entry = {"type": "file", "oid": file.oid, "size": len(file.content), "path": name}
            if file.large:
                entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": len(file.pointer)}
            entries.append(entry)
        start = int(self.query.get("cursor", 0))
        following = f"{self.hub.url}{urlsplit(self.path).path}?recursive=true&cursor={start + PAGE}"
        more = {"Link": f'<{following}>; rel="next"'} if start + PAGE < len(entries) else {}
        return 200, more, entries[start : start + PAGE]

    def _discussions(self, repo):
        pulls = self._repository(repo).pulls
        start = 2 * int(self.query.get("p", 0))  # pages of two
        shown = [
            {
                "title": title,
                "num": number,
                "author": {"name": author},
                "createdAt": "2026-01-01T00:00:00.000Z",
                "status": "draft",
                "repo": {"name": repo, "type": "model"},
                "isPullRequest": True,
            }
            for number, title, author in pulls
        ]
        return 200, {}, {"discussions": shown[start : start + 2], "count": len(pulls), "start": start}

    def _preupload(self, repo, revision):
        pull = "create_pr" in self.query
        repository = self._repository(repo, write=not pull)
        self.hub.announced.add(revision)
        held = self._at(repository, revision).files
        modes = []
        for one in json.loads(self.body)["files"]:
            _check_name(one["path"])
            sample = base64.b64decode(one["sample"], validate=True)
            if len(sample) != min(512, one["size"]):
                raise RefusalError(400, f"{one['path']}: the sample is not the first 512 bytes")
            mode = {"path": one["path"], "shouldIgnore": False}
            mode["uploadMode"] = "lfs" if is_large(one["path"], sample, one["size"]) else "regular"
            if one["path"] in held:
                file = held[one["path"]]
                mode["oid"] = file.sha256 if file.large else file.oid
            modes.append(mode)
        return 200, {}, {"files": modes}

    def _batch(self, repo):
        asked = json.loads(self.body)
        repository = self._repository(repo, write="ref" in asked)
        if asked["operation"] != "upload" or asked["hash_algo"] != "sha256" or "basic" not in asked["transfers"]:
            raise RefusalError(422, "unknown operation, digest or transfer")
        if "ref" in asked:
            self._at(repository, asked["ref"]["name"])
        objects = []
        for one in asked["objects"]:
            if not re.fullmatch(r"[0-9a-f]{64}", one["oid"]):
                raise RefusalError(422, "oid is no sha256")
            entry = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.stored:
                signature = secrets.token_hex(8)
                self.hub.granted[signature] = (one["oid"], one["size"])
                entry["actions"] = {
                    "upload": {"href": f"{self.hub.url}/storage/{signature}"},
                    "verify": {"href": f"{self.hub.url}/{repo}.git/info/lfs/verify"},
                }
            objects.append(entry)
        return 200, {"Content-Type": "application/vnd.git-lfs+json"}, {"transfer": "basic", "objects": objects}

    def _put(self, signature):
        if "Authorization" in self.headers:
            self.hub.leaks.append("PUT: the token was sent to the storage")
        wanted = self.hub.granted.get(signature)
        if wanted is None:
            raise RefusalError(403, "the signature is not valid")
        if (hashlib.sha256(self.body).hexdigest(), len(self.body)) != wanted:
            raise RefusalError(400, "XAmzContentSHA256Mismatch")
        self.hub.stored[wanted[0]] = self.body
        return 200, {"ETag": f'"{wanted[0][:32]}"'}, b""

    def _verify(self, repo):
        asked = json.loads(self.body)
        self._repository(repo)
        if self.headers.get("Authorization") is None:
            raise RefusalError(401, "Invalid username or password.")
        if len(self.hub.stored.get(asked["oid"], b"")) != asked["size"]:
            raise RefusalError(422, "the object is not there or has another size")
        return 200, {}, {}

    def _commit(self, repo, revision):
        if self.hub.between:
            self.hub.between()
        pull = "create_pr" in self.query
        repository = self._repository(repo, write=not pull)
        user, _ = self._user()
        if user is None:
            raise RefusalError(401, "Invalid username or password.")
        head, *operations = [json.loads(line) for line in self.body.splitlines()]
        if head["key"] != "header" or not head["value"].get("summary"):
            raise RefusalError(400, "the first line must be a header with a summary")
        base = self._at(repository, revision)
        if head["value"].get("parentCommit", base.oid) != base.oid:
            raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(base.files)
        for operation in operations:
            self._apply(files, operation["key"], operation["value"])
        if errors := card_errors(files.get("README.md", File(b"", False)).content.decode()):
            raise RefusalError(400, "; ".join(errors))
        commit = Commit(head["value"]["summary"], files, base.oid)
        number = len(repository.pulls) + 1
        repository.add(f"refs/pr/{number}" if pull else revision, commit)
        if pull:
            repository.pulls.append((number, commit.title, user))
        said = {"success": True, "commitOid": commit.oid, "commitUrl": f"{self.hub.url}/{repo}/commit/{commit.oid}"}
        return 200, {}, {**said, "pullRequestUrl": f"{self.hub.url}/{repo}/discussions/{number}" if pull else None}

    def _apply(self, files, kind, value):
        name = value["path"]
        _check_name(name)
        if kind == "file":
            content = base64.b64decode(value["content"], validate=True)
            if is_large(name, content[:512], len(content)):
                raise RefusalError(400, f"Your push was rejected because it contains binary files: {name}")
            files[name] = File(content, large=False)
        elif kind == "lfsFile":
            content = self.hub.stored.get(value["oid"])
            if content is None or value["algo"] != "sha256" or value.get("size", len(content)) != len(content):
                raise RefusalError(422, f"{name}: the large file is not there or has another size")
            files[name] = File(content, large=True)
        elif kind == "deletedFile":
            if name not in files:
                raise RefusalError(404, "A file with this name doesn't exist", "EntryNotFound")
            del files[name]
        else:
            raise RefusalError(400, f"unknown operation {kind}")

    def _resolve(self, repo, revision, path):
        commit = self._at(self._repository(repo), revision)
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if path not in commit.files:
            return 404, {**headers, "X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}, b""
        file = commit.files[path]
        headers["ETag"] = f'"{file.oid}"'
        if file.large:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.content))}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return 200, headers, file.content
        start, end = int(wanted[1]), int(wanted[2] or len(file.content) - 1)
        if start >= len(file.content):
            return 416, {**headers, "Content-Range": f"bytes */{len(file.content)}"}, b""
        headers["Content-Range"] = f"bytes {start}-{end}/{len(file.content)}"
        return 206, headers, file.content[start : end + 1]


def _check_name(name):
    parts = name.split("/")
    if not name or name.startswith("/") or "\\" in name or any(part in {"", ".", "..", ".git"} for part in parts):
        raise RefusalError(400, f"Invalid path: {name}")
