"""A bucket of an object store with S3's API, and a prefix in it."""

from __future__ import annotations

import contextlib
import time
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from millpond.errors import CommandError, UsageError
from millpond.export.export_place import Present
from millpond.export.export_record import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millpond.export.export_record import FileRecord

SCHEME = "s3://"

_KEPT = {
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-type": "ContentType",
}
"""The headers that an object has, and the arguments for them."""
_LOCK_SECONDS = 3600
"""The age from which a lock is what an export left behind when it was killed."""
_ATTEMPTS = 5


class S3Bucket:
    """A bucket and a prefix. Objects have the headers that S3 keeps; the others are in the manifest."""

    is_flat = True
    keeps_headers = True
    at_once = 8

    def __init__(self, url: str, endpoint: str | None = None) -> None:
        """Name the place; credentials, region and endpoint are found as AWS's own tools find them.

        Args:
            url: s3://BUCKET or s3://BUCKET/PREFIX.
            endpoint: the URL of another store with the same API; by default AWS_ENDPOINT_URL_S3 and the like.

        Raises:
            UsageError: the URL names no bucket, or the package `boto3` is missing.
            CommandError: there are no credentials, or no region.
        """
        try:
            import boto3  # type: ignore[import-untyped]
            import botocore.config  # type: ignore[import-untyped]
            import botocore.exceptions  # type: ignore[import-untyped]
        except ImportError:
            raise UsageError("s3:// needs the package boto3; install millpond[s3].") from None
        parts = urlsplit(url)
        if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
            raise UsageError(f"{url} names no bucket; write s3://BUCKET or s3://BUCKET/PREFIX.")
        self._bucket, prefix = parts.netloc, unquote(parts.path).strip("/")
        self._prefix, self.label = f"{prefix}/" if prefix else "", url
        self._errors = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
        settings = botocore.config.Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}, max_pool_connections=self.at_once
        )
        with self._told(""):
            self._client: Any = boto3.client("s3", endpoint_url=endpoint, config=settings)

    @contextlib.contextmanager
    def locked(self, *, force: bool) -> Iterator[None]:
        """A lock that is an object, which only one can create; one that is an hour old counts as left behind."""
        key = self._prefix + LOCK
        if force:
            self.delete(LOCK)
        with self._told(LOCK):
            if not self._created(key):
                age = self._age_of_lock(key)
                if age is None or age > _LOCK_SECONDS:
                    self._client.delete_object(Bucket=self._bucket, Key=key)
                if age is not None and age <= _LOCK_SECONDS:
                    raise CommandError(
                        f"another export is writing to {self.label}, since {age:.0f} s. If it was killed, --force "
                        "breaks its lock."
                    )
                if not self._created(key):
                    raise CommandError(f"another export is writing to {self.label}; wait until it is done.")
        try:
            yield
        finally:
            self.delete(LOCK)

    def _created(self, key: str) -> bool:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"", IfNoneMatch="*")
        except self._errors as error:
            if _code(error) in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                return False
            raise
        return True

    def _age_of_lock(self, key: str) -> float | None:
        try:
            told = self._client.head_object(Bucket=self._bucket, Key=key)
        except self._errors as error:
            if _is_missing(error):
                return None
            raise
        return time.time() - float(told["LastModified"].timestamp())

    def read(self, name: str) -> bytes | None:
        """The content of an object; None if there is none."""
        with self._told(name):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except self._errors as error:
                if _is_missing(error):
                    return None
                raise
            content: bytes = answer["Body"].read()
            return content

    def present(self) -> dict[str, Present | None]:
        """All objects below the prefix, a thousand in a request."""
        found: dict[str, Present | None] = {}
        with self._told(""):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for each in page.get("Contents", ()):
                    name = each["Key"][len(self._prefix) :]
                    if name and name != LOCK:
                        found[name] = Present(each["Size"], each["ETag"].strip('"'))
        return found

    def present_of(self, name: str) -> Present | None:
        """An object as it is now; None if there is none."""
        with self._told(name):
            try:
                told = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except self._errors as error:
                if _is_missing(error):
                    return None
                raise
            return Present(told["ContentLength"], told["ETag"].strip('"'))

    def is_written(self, present: Present, record: FileRecord) -> bool:
        """Whether the ETag is the one that the store has told then."""
        return bool(record.tag) and present == Present(record.size, record.tag)

    def write(self, name: str, content: bytes, headers: dict[str, str]) -> str:
        """Write an object, with the headers that S3 keeps. Returns its ETag."""
        kept = {_KEPT[header]: value for header, value in headers.items() if header in _KEPT}
        with self._told(name):
            answer = self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, **kept)
        tag: str = answer.get("ETag", "").strip('"')
        return tag or md5(content, usedforsecurity=False).hexdigest()

    def delete(self, name: str) -> None:
        """Delete an object."""
        with self._told(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextlib.contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            about = f"{self.label}: {name}" if name else self.label
            raise CommandError(f"{about}: {_sentence(error)}") from None


def _code(error: Exception) -> str:
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _is_missing(error: Exception) -> bool:
    return _code(error) in ("404", "NoSuchKey", "NotFound")


def _sentence(error: Exception) -> str:
    """What went wrong, and what to do where that is known."""
    remedies = {
        "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        "NoRegionError": "set AWS_REGION.",
        "NoSuchBucket": "make it first, or correct the name.",
        "AccessDenied": "the credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject.",
        "ProfileNotFound": "correct AWS_PROFILE.",
    }
    remedy = remedies.get(_code(error) or type(error).__name__, remedies.get(type(error).__name__))
    text = str(error).rstrip(".")
    return f"{text}; {remedy}" if remedy else f"{text}."
