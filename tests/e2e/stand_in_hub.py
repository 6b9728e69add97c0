"""A stand-in for the Hugging Face hub: two origins, the hub itself and the one that large files are redirected to.

What it answers follows what the hub's own client is written for (tests/parity/check_stand_ins.py has that client
download from here):
- metadata with siblings, with `blobs=true` their sizes and digests; revisions, refs, trees in pages
- `resolve` gives X-Repo-Commit, X-Linked-Etag, X-Linked-Size and redirects: small files to a relative address, large
  ones (LFS) to a signed link at the second origin, whose answers carry neither ETag nor Last-Modified, and which
  refuses a request that brings an Authorization header
- 401 and 403 with X-Error-Code as for gated, private and missing repositories
"""
from __future__ import annotations

import hashlib
import json
import pathlib
import urllib.parse
from dataclasses import dataclass, field

from stand_in import Asked, Content, Reply, StandIn, stored_headers

LARGE = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".onnx", ".msgpack", ".ot", ".gguf")  # as .gitattributes says
LARGE_BYTES = 10_000_000
TREE_PAGE = 1000


@dataclass
class Commit:
    id: str
    files: dict[str, Content]


@dataclass
class Repository:
    id: str
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)  # branch or tag -> commit
    gated: str | bool = False  # False, "auto", "manual"
    private: bool = False
    pipeline_tag: str | None = None
    library_name: str | None = "transformers"
    tags: list[str] = field(default_factory=list)
    card: dict = field(default_factory=dict)
    # path -> {"size", "sha256"}: told in place of the truth; or {"listed": all that is told}
    claims: dict[str, dict] = field(default_factory=dict)
    odd_siblings: list[str] = field(default_factory=list)  # names that are listed beside the files

    def commit(self, revision: str) -> Commit | None:
        return self.commits.get(self.refs.get(revision, revision))


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str):
        self.status, self.code, self.message = status, code, message


def is_large(path: str, content: Content) -> bool:
    return path.endswith(LARGE) or content.size > LARGE_BYTES


def pointer(size: int, sha256: str) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


class Hub(StandIn):
    """hub.add("org/name", folder); HF_ENDPOINT is hub.url."""

    def __init__(self):
        super().__init__()
        self.repositories: dict[str, Repository] = {}
        self.renamed: dict[str, str] = {}
        # token -> the gated repositories it was given access to; private ones are open to every token here
        self.tokens: dict[str, set[str]] = {}
        # How large files are redirected: "absolute" (https://other/..), "network" (//other/..), "chain" (first to a
        # relative address of the hub), "none" (mirrors: the bytes at once)
        self.redirects = "absolute"
        self.chunked_store = False  # tell of it by X-Xet-Hash, as the hub does for most repositories
        self._links = 0  # generation of signed links
        self.hub = self.listen("hub", self._answer_hub)
        self.cdn = self.listen("cdn", self._answer_cdn)
        self._linked: dict[str, tuple[str, Content]] = {}  # path at the second origin -> target, bytes

    @property
    def url(self) -> str:
        return self.hub.url

    # -- what is there --

    def add(self, name: str, files: pathlib.Path | dict, **about) -> Repository:
        """`files`: a folder, or path -> bytes or the path of a file. `about`: fields of Repository."""
        repository = Repository(name, **about)
        self.repositories[name] = repository
        self.push(name, files)
        return repository

    def push(self, name: str, files: pathlib.Path | dict, branch: str = "main") -> str:
        """Another commit with these files; gives its id."""
        if isinstance(files, pathlib.Path):
            files = {str(p.relative_to(files)): p for p in sorted(files.rglob("*")) if p.is_file()}
        contents = {path: Content(what) for path, what in files.items()}
        repository = self.repositories[name]
        text = json.dumps([name, len(repository.commits), {p: c.sha256 for p, c in contents.items()}])
        commit = Commit(hashlib.sha1(text.encode()).hexdigest(), contents)
        repository.commits[commit.id] = commit
        repository.refs[branch] = commit.id
        return commit.id

    def tag(self, name: str, tag: str, commit: str) -> None:
        self.repositories[name].refs[tag] = commit

    def rename(self, old: str, new: str) -> None:
        """The old name is redirected, as the hub does after a move."""
        self.renamed[old] = new
        if old in self.repositories:
            self.repositories[new] = self.repositories.pop(old)
            self.repositories[new].id = new

    def token(self, token: str, *gated: str) -> str:
        self.tokens[token] = set(gated)
        return token

    def expire_links(self) -> None:
        """Signed links that were given out before are refused from now on."""
        self._links += 1

    # -- the hub --

    def _answer_hub(self, asked: Asked, reply: Reply) -> None:
        try:
            self._route(asked, reply)
        except Refused as e:
            reply.say_json({"error": e.message}, e.status, X_Error_Code=e.code, X_Error_Message=e.message)

    def _route(self, asked: Asked, reply: Reply) -> None:
        # Split first: a revision may have a slash, as %2F.
        parts = [urllib.parse.unquote(p) for p in asked.path.partition("?")[0].strip("/").split("/")]
        if parts[:2] == ["api", "whoami-v2"]:
            if self._token(asked) is None:
                raise Refused(401, "", "Invalid username or password.")
            return reply.say_json({"type": "user", "name": "tester", "auth": {"type": "access_token"}})
        if parts[:2] == ["api", "resolve-cache"]:
            return self._cached(asked, reply, parts[3:])
        if parts[:2] == ["api", "models"]:
            return self._api(asked, reply, parts[2:])
        if "resolve" in parts[1:3]:
            at = parts.index("resolve")
            return self._resolve(asked, reply, "/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2:]))
        reply.say(404, b"Not Found")

    def _token(self, asked: Asked) -> str | None:
        if asked.authorization is None:
            return None
        kind, _, token = asked.authorization.partition(" ")
        if kind != "Bearer" or token not in self.tokens:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return token

    def _find(self, asked: Asked, name: str) -> Repository:
        token = self._token(asked)
        repository = self.repositories.get(name)
        if repository is None or (repository.private and token is None):
            if token is None:  # it is not told which names there are
                raise Refused(401, "RepoNotFound", "Invalid username or password.")
            raise Refused(404, "RepoNotFound", "Repository not found")
        return repository

    def _api(self, asked: Asked, reply: Reply, parts: list[str]) -> None:
        count = 2 if len(parts) > 1 and parts[1] not in ("revision", "tree", "refs") else 1
        name, rest = "/".join(parts[:count]), parts[count:]
        asked.target, asked.stage = name, "api"
        if reply.misbehave(self.line.fault_of(asked)):
            return
        if name in self.renamed:
            query = asked.path.partition("?")[1:]
            return reply.redirect("/" + "/".join(["api/models", self.renamed[name], *rest]) + "".join(query), 307)
        repository = self._find(asked, name)
        if rest == ["refs"]:
            branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in repository.refs.items()]
            return reply.say_json({"branches": branches, "tags": [], "converts": []})
        revision = rest[1] if len(rest) > 1 else "main"
        commit = repository.commit(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if rest[:1] == ["tree"]:
            return self._tree(asked, reply, repository, commit)
        if rest[:1] not in ([], ["revision"]):
            return reply.say(404, b"Not Found")
        reply.say_json(self._about(repository, commit, asked.query.get("blobs") in ("true", "True", "1")))

    def _listed(self, repository: Repository, path: str, content: Content) -> dict:
        """What listings say of a file: size, git id, and for a large one its digest."""
        claim = repository.claims.get(path, {})
        if "listed" in claim:
            return claim["listed"]
        size, sha256 = claim.get("size", content.size), claim.get("sha256", content.sha256)
        if not is_large(path, content):
            return {"size": size, "blobId": content.git_id}
        text = pointer(size, sha256)
        return {"size": size, "blobId": Content(text).git_id,
                "lfs": {"sha256": sha256, "size": size, "pointerSize": len(text)}}

    def _about(self, repository: Repository, commit: Commit, blobs: bool) -> dict:
        siblings = [{"rfilename": path, **(self._listed(repository, path, content) if blobs else {})}
                    for path, content in sorted(commit.files.items())]
        siblings += [{"rfilename": path, **({"size": 3, "blobId": "0" * 40} if blobs else {})}
                     for path in repository.odd_siblings]
        about = {"_id": hashlib.md5(repository.id.encode()).hexdigest()[:24], "id": repository.id,
                 "modelId": repository.id, "author": repository.id.partition("/")[0], "sha": commit.id,
                 "lastModified": "2025-01-15T10:30:00.000Z", "createdAt": "2024-01-15T10:30:00.000Z",
                 "private": repository.private, "gated": repository.gated, "disabled": False, "downloads": 0,
                 "likes": 0, "tags": repository.tags, "cardData": repository.card, "siblings": siblings,
                 "spaces": [], "usedStorage": sum(c.size for c in commit.files.values())}
        if repository.pipeline_tag:
            about["pipeline_tag"] = repository.pipeline_tag
        if repository.library_name:
            about["library_name"] = repository.library_name
        return about

    def _tree(self, asked: Asked, reply: Reply, repository: Repository, commit: Commit) -> None:
        rows = []
        for path, content in sorted(commit.files.items()):
            listed = self._listed(repository, path, content)
            row = {"type": "file", "oid": listed["blobId"], "size": listed["size"], "path": path}
            if "lfs" in listed:
                row["lfs"] = {"oid": listed["lfs"]["sha256"], "size": listed["size"],
                              "pointerSize": listed["lfs"]["pointerSize"]}
            rows.append(row)
        begin = int(asked.query.get("cursor", "0"))
        count = min(TREE_PAGE, int(asked.query.get("limit", TREE_PAGE)))
        headers = {}
        if begin + count < len(rows):
            query = urllib.parse.urlencode({**asked.query, "cursor": begin + count})
            headers["Link"] = f'<{self.url}{asked.path.partition("?")[0]}?{query}>; rel="next"'
        reply.say_json(rows[begin:begin + count], **headers)

    def _may_read(self, asked: Asked, repository: Repository) -> None:
        if not repository.gated:
            return
        token = self._token(asked)
        name = repository.id
        if token is None:
            raise Refused(401, "GatedRepo", f"Access to model {name} is restricted. You must have access to it and be "
                                            "authenticated to access it. Please log in.")
        if name not in self.tokens[token]:
            raise Refused(403, "GatedRepo", f"Access to model {name} is restricted and you are not in the authorized "
                                            f"list. Visit {self.url}/{name} to ask for access.")

    def _resolve(self, asked: Asked, reply: Reply, name: str, revision: str, path: str) -> None:
        asked.target, asked.stage = f"{name}/{path}", "resolve"
        if name in self.renamed:
            return reply.redirect(f"/{self.renamed[name]}/resolve/{quoted(revision)}/{quoted(path)}", 307)
        repository = self._find(asked, name)
        self._may_read(asked, repository)
        commit = repository.commit(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        content = Content(b"odd") if path in repository.odd_siblings else commit.files.get(path)
        if content is None:
            raise Refused(404, "EntryNotFound", "Entry not found")
        if reply.misbehave(self.line.fault_of(asked)):
            return
        headers = self._linked_headers(repository, commit.id, path, content)
        etag = headers["X-Linked-Etag"]
        if is_large(path, content) and self.redirects == "none":
            asked.stage = "body"
            return reply.content(content, {"ETag": etag, **headers})
        if is_large(path, content) and self.redirects != "chain":
            return reply.redirect(self._link(asked.target, path, content), 302, **headers)
        reply.redirect(f"/api/resolve-cache/models/{name}/{commit.id}/{quoted(path)}"
                       f"?{quoted('/' + name, '')}=&etag={quoted(etag)}", 307, **headers)

    def _linked_headers(self, repository: Repository, commit: str, path: str, content: Content) -> dict[str, str]:
        listed = self._listed(repository, path, content)
        etag = listed["lfs"]["sha256"] if "lfs" in listed else content.git_id
        headers = {"X-Repo-Commit": commit, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(listed["size"]),
                   "Accept-Ranges": "bytes"}
        if "lfs" in listed and self.chunked_store:
            headers["X-Xet-Hash"] = content.sha256
            headers["Link"] = (f"<{self.url}/api/models/{repository.id}/xet-read-token/{commit}>; rel=\"xet-auth\", "
                               f"<{self.url}/api/v2/reconstructions/{content.sha256}>; rel=\"xet-reconstruction-info\"")
        return headers

    def _cached(self, asked: Asked, reply: Reply, parts: list[str]) -> None:
        """Where small files are redirected to, and the others in "chain"."""
        at = next((n for n, part in enumerate(parts) if len(part) == 40 and n > 0), 0)
        name, revision, path = "/".join(parts[:at]), parts[at], "/".join(parts[at + 1:])
        repository = self._find(asked, name)
        self._may_read(asked, repository)
        content = repository.commits[revision].files.get(path, Content(b"odd"))
        asked.target, asked.stage = f"{name}/{path}", "body"
        if is_large(path, content):
            asked.stage = "cached"
            headers = self._linked_headers(repository, revision, path, content)
            return reply.redirect(self._link(asked.target, path, content), 302, **headers)
        reply.content(content, {"ETag": f'"{content.git_id}"', "X-Repo-Commit": revision}, compressible=True)

    # -- the second origin --

    def _sign(self, path: str) -> str:
        return hashlib.sha256(f"{self._links}:{path}".encode()).hexdigest()

    def _link(self, target: str, path: str, content: Content) -> str:
        at = f"/repos/{content.sha256[:2]}/{hashlib.sha256(target.encode()).hexdigest()}/{content.sha256}"
        self._linked[at] = target, content
        name = path.rpartition("/")[2]
        query = urllib.parse.urlencode({"response-content-disposition": f'attachment; filename="{name}";',
                                        "X-Amz-Expires": 3600, "X-Amz-Signature": self._sign(at)})
        begin = f"//127.0.0.1:{self.cdn.port}" if self.redirects == "network" else self.cdn.url
        return f"{begin}{at}?{query}"

    def _answer_cdn(self, asked: Asked, reply: Reply) -> None:
        path = asked.plain_path
        if path not in self._linked:
            return denied(reply, 403, "AccessDenied", "Access Denied")
        asked.target, content = self._linked[path]
        asked.stage = "body"
        if asked.authorization is not None:
            return denied(reply, 400, "InvalidArgument", "Only one auth mechanism allowed")
        if asked.query.get("X-Amz-Signature") != self._sign(path):
            return denied(reply, 403, "AccessDenied", "Request has expired")
        reply.content(content, {"Content-Disposition": asked.query["response-content-disposition"]})


class Files(StandIn):
    """Files at addresses of their own, as published weights and plain downloads are: ETag, Last-Modified, ranges.
    `base` is what the settings of base URLs take. Answers requests to any host: it serves as a proxy, too."""

    def __init__(self, prefix: str = "/models"):
        super().__init__()
        self.files: dict[str, Content] = {}
        self.prefix = prefix
        self.origin = self.listen("files", self._answer)

    @property
    def base(self) -> str:
        return self.origin.url + self.prefix

    def put(self, name: str, what: bytes | pathlib.Path) -> str:
        """Gives the URL of it."""
        self.files[f"{self.prefix}/{name}"] = Content(what)
        return f"{self.base}/{quoted(name)}"

    def _answer(self, asked: Asked, reply: Reply) -> None:
        asked.target, asked.stage = asked.plain_path, "body"
        content = self.files.get(asked.plain_path)
        if content is None:
            if not reply.misbehave(self.line.fault_of(asked)):
                reply.say(404, b"Not Found")
            return
        reply.content(content, stored_headers(content))


def denied(reply: Reply, status: int, code: str, message: str) -> None:
    reply.say(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(), "application/xml")


def quoted(text: str, safe: str = "/") -> str:
    return urllib.parse.quote(text, safe=safe)
