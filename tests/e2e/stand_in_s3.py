"""A stand-in for S3 and what speaks like it: listings (list-type=2) in pages, GET and HEAD with ranges, path-style
addresses. Signatures (SigV4, in the Authorization header) are checked: made anew from the request as it came. Public
buckets need none, but a signature that is there must be right."""
from __future__ import annotations

import datetime
import hashlib
import hmac
import pathlib
import re
import urllib.parse
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from stand_in import Asked, Content, Reply, StandIn, stored_headers

EMPTY = hashlib.sha256(b"").hexdigest()
SKEW_S = 15 * 60


@dataclass
class Bucket:
    name: str
    files: dict[str, Content] = field(default_factory=dict)
    public: bool = False


@dataclass
class Key:
    secret: str
    session_token: str | None = None


class Denied(Exception):
    def __init__(self, status: int, code: str, message: str):
        self.status, self.code, self.message = status, code, message


class S3(StandIn):
    """s3.add("bucket", {"key": b".."}); s3.key("AKID", "secret"); the endpoint is s3.url."""

    def __init__(self, region: str = "us-east-1", page: int = 1000):
        super().__init__()
        self.region, self.page = region, page
        self.buckets: dict[str, Bucket] = {}
        self.keys: dict[str, Key] = {}
        self.refused: list[str] = []  # why signatures were refused
        self.origin = self.listen("s3", self._answer)

    @property
    def url(self) -> str:
        return self.origin.url

    def add(self, name: str, files: pathlib.Path | dict, prefix: str = "", public: bool = False) -> Bucket:
        if isinstance(files, pathlib.Path):
            files = {str(p.relative_to(files)): p for p in sorted(files.rglob("*")) if p.is_file()}
        bucket = self.buckets.setdefault(name, Bucket(name, public=public))
        bucket.files.update({prefix + key: Content(what) for key, what in files.items()})
        return bucket

    def key(self, access_key: str, secret: str, session_token: str | None = None) -> None:
        self.keys[access_key] = Key(secret, session_token)

    def _answer(self, asked: Asked, reply: Reply) -> None:
        try:
            self._route(asked, reply)
        except Denied as e:
            self.refused.append(f"{e.code}: {e.message}")
            body = f"<Error><Code>{e.code}</Code><Message>{escape(e.message)}</Message></Error>".encode()
            reply.say(e.status, body, "application/xml")

    def _route(self, asked: Asked, reply: Reply) -> None:
        name, _, key = asked.plain_path.lstrip("/").partition("/")
        asked.target, asked.stage = f"{name}/{key}", "body" if key else "api"
        signed = check_signature(asked, self.keys, self.region)
        bucket = self.buckets.get(name)
        if bucket is None:
            raise Denied(404, "NoSuchBucket", "The specified bucket does not exist")
        if not signed and not bucket.public:
            raise Denied(403, "AccessDenied", "Access Denied")
        if not key:
            if not reply.misbehave(self.line.fault_of(asked)):
                self._list(asked, reply, bucket)
            return
        if key not in bucket.files:
            raise Denied(404, "NoSuchKey", "The specified key does not exist.")
        content = bucket.files[key]
        reply.content(content, stored_headers(content))

    def _list(self, asked: Asked, reply: Reply, bucket: Bucket) -> None:
        query = asked.query
        if query.get("list-type") != "2":
            raise Denied(400, "InvalidArgument", "This stand-in lists with list-type=2 only")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        most = min(self.page, int(query.get("max-keys", "1000")))
        encode = urllib.parse.quote if query.get("encoding-type") == "url" else escape
        keys, folders, last, truncated = [], [], "", False
        for key in sorted(bucket.files, key=lambda k: k.encode()):
            if not key.startswith(prefix) or key.encode() <= after.encode():
                continue
            tail = key[len(prefix):]
            folder = prefix + tail[:tail.index(delimiter) + len(delimiter)] if delimiter and delimiter in tail else None
            if folder is not None and (folder in folders or after.startswith(folder)):
                last = key if folder in folders else last
                continue
            if len(keys) + len(folders) == most:
                truncated = True
                break
            if folder is not None:
                folders.append(folder)
            else:
                keys.append(key)
            last = key
        out = ['<?xml version="1.0" encoding="UTF-8"?>',
               '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
               f"<Name>{bucket.name}</Name><Prefix>{encode(prefix)}</Prefix><MaxKeys>{most}</MaxKeys>",
               f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>{str(truncated).lower()}</IsTruncated>"]
        if "encoding-type" in query:
            out.append("<EncodingType>url</EncodingType>")
        if truncated:
            out.append(f"<NextContinuationToken>{escape(last)}</NextContinuationToken>")
        for key in keys:
            content = bucket.files[key]
            out.append(f"<Contents><Key>{encode(key)}</Key><LastModified>2025-01-15T10:30:00.000Z</LastModified>"
                       f"<ETag>&quot;{content.md5}&quot;</ETag><Size>{content.size}</Size>"
                       "<StorageClass>STANDARD</StorageClass></Contents>")
        out += [f"<CommonPrefixes><Prefix>{encode(f)}</Prefix></CommonPrefixes>" for f in folders]
        reply.say(200, ("".join(out) + "</ListBucketResult>").encode(), "application/xml")


def check_signature(asked: Asked, keys: dict[str, Key], region: str) -> bool:
    """False: there is none."""
    given = asked.authorization
    if given is None:
        if "X-Amz-Signature" in asked.query:
            raise Denied(400, "InvalidRequest", "This stand-in reads signatures in the Authorization header only")
        return False
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
                         r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", given)
    if not found:
        raise Denied(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed: {given}")
    access_key, day, signed_region, names, signature = found.groups()
    if access_key not in keys:
        raise Denied(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    if signed_region != region:
        raise Denied(400, "AuthorizationHeaderMalformed", f"the region '{signed_region}' is wrong; expecting "
                                                             f"'{region}'")
    signed = names.split(";")
    must = {"host"} | {h for h in asked.headers if h.startswith("x-amz-")}
    if signed != sorted(signed) or not must <= set(signed):
        raise Denied(403, "AccessDenied", f"There were headers present in the request which were not signed: {names}")
    when = asked.headers.get("x-amz-date", "")
    try:
        at = datetime.datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise Denied(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None
    if abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) > SKEW_S:
        raise Denied(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too "
                                                  "large.")
    if when[:8] != day:
        raise Denied(400, "AuthorizationHeaderMalformed", "Invalid credential date")
    payload = asked.headers.get("x-amz-content-sha256")
    if payload not in (EMPTY, "UNSIGNED-PAYLOAD"):
        raise Denied(400, "InvalidRequest", f"Missing or wrong header for this request: x-amz-content-sha256 {payload}")
    key = keys[access_key]
    if asked.headers.get("x-amz-security-token") != key.session_token:
        raise Denied(403, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    request = canonical_request(asked, signed, payload)
    text = "\n".join(["AWS4-HMAC-SHA256", when, f"{day}/{region}/s3/aws4_request",
                      hashlib.sha256(request.encode()).hexdigest()])
    if not hmac.compare_digest(signature, sign(key.secret, day, region, text)):
        raise Denied(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature "
                                                   f"you provided. The canonical request:\n{request}")
    return True


def canonical_request(asked: Asked, signed: list[str], payload: str) -> str:
    raw_path, _, raw_query = asked.path.partition("?")
    path = urllib.parse.quote(urllib.parse.unquote_to_bytes(raw_path), safe="/~")  # S3: encoded once
    pairs = []
    for part in raw_query.split("&") if raw_query else []:
        name, _, value = part.partition("=")
        pairs.append(tuple(urllib.parse.quote(urllib.parse.unquote_to_bytes(x), safe="~") for x in (name, value)))
    headers = "".join(f"{name}:{' '.join(asked.headers.get(name, '').split())}\n" for name in signed)
    return "\n".join([asked.method, path, "&".join(f"{n}={v}" for n, v in sorted(pairs)), headers, ";".join(signed),
                      payload])


def sign(secret: str, day: str, region: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
