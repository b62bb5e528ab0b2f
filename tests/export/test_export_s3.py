"""Exports into a bucket, of a server with S3's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import pytest
from exporting import ROUTES, counts, export_of, of_build
from moto.server import ThreadedMotoServer

from millpond.errors import CommandError, UsageError
from millpond.export.export_record import LOCK, MANIFEST
from millpond.export.s3_bucket import S3Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ponds import Project

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    client = boto3.client("s3")
    client.create_bucket(Bucket="shop")
    yield client
    for each in client.list_objects_v2(Bucket="shop").get("Contents", ()):
        client.delete_object(Bucket="shop", Key=each["Key"])
    client.delete_bucket(Bucket="shop")


def keys(s3: Any) -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket="shop").get("Contents", ())]


def test_each_answer_is_an_object_with_its_path_as_key_and_its_headers(project: Project, s3: Any) -> None:
    project.routes({**ROUTES, "/products/desk/price": ROUTES["/"]})
    project.write({"public/style.css": "body {}"})
    export_of(project, S3Bucket("s3://shop/site/v1/"), codings=["br"]).run()
    assert keys(s3) == sorted(
        f"site/v1/{name}"
        for name in (
            "found",
            "index.html",
            MANIFEST,
            "page",
            "products",
            "products.br",
            "products/desk",
            "products/desk/price",
            "products/oak chair",
            "style.css",
        )
    )
    page = s3.get_object(Bucket="shop", Key="site/v1/page")
    assert page["Body"].read() == b"<p>page</p>"
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "max-age=5")
    assert page["ContentLanguage"] == "en"
    coded = s3.head_object(Bucket="shop", Key="site/v1/products.br")
    assert (coded["ContentType"], coded["ContentEncoding"]) == ("application/json", "br")


def test_only_what_has_changed_is_uploaded_and_what_has_gone_is_deleted(project: Project, s3: Any) -> None:
    project.routes(ROUTES)
    s3.put_object(Bucket="shop", Key="other/file", Body=b"mine")
    export_of(project, S3Bucket("s3://shop/site")).run()
    assert counts(of_build(project, S3Bucket("s3://shop/site")).run()) == (0, 6, 0)
    project.routes({"/": ROUTES["/"].replace("root", "other")})
    (project.folder / "app/page/route.py").unlink()
    report = export_of(project, S3Bucket("s3://shop/site")).run()
    assert (report.written, report.deleted) == (["index.html"], ["page"])
    assert "other/file" in keys(s3)


def test_an_object_whose_headers_alone_have_changed_is_uploaded(project: Project, s3: Any) -> None:
    project.routes(ROUTES)
    export_of(project, S3Bucket("s3://shop")).run()
    report = of_build(project, S3Bucket("s3://shop"), unchanging="max-age=9").run()
    assert sorted(report.written) == ["index.html", "products"]
    assert s3.head_object(Bucket="shop", Key="products")["CacheControl"] == "max-age=9"


def test_what_somebody_has_edited_is_mended_and_never_deleted(project: Project, s3: Any) -> None:
    project.routes(ROUTES)
    export_of(project, S3Bucket("s3://shop")).run()
    for key in ("page", "products"):
        s3.put_object(Bucket="shop", Key=key, Body=b"edited")
    (project.folder / "app/page/route.py").unlink()
    report = export_of(project, S3Bucket("s3://shop")).run()
    assert (report.written, report.deleted, report.kept) == (["products"], [], ["page"])


def test_a_bucket_of_somebody_elses_is_refused(project: Project, s3: Any) -> None:
    project.routes(ROUTES)
    s3.put_object(Bucket="shop", Key="mine", Body=b"mine")
    with pytest.raises(CommandError, match="1 file that no export has written: mine"):
        export_of(project, S3Bucket("s3://shop")).run()
    assert keys(s3) == ["mine"]
    of_build(project, S3Bucket("s3://shop"), force=True).run()
    assert "mine" in keys(s3)


def test_two_exports_at_once_are_refused_until_the_lock_is_broken(project: Project, s3: Any) -> None:
    project.routes(ROUTES)
    s3.put_object(Bucket="shop", Key=LOCK, Body=b"")
    with pytest.raises(CommandError, match=r"another export is writing to s3://shop, since \d+ s"):
        export_of(project, S3Bucket("s3://shop")).run()
    of_build(project, S3Bucket("s3://shop"), force=True).run()
    assert LOCK not in keys(s3)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("url", ["s3://", "s3:///site", "s3://shop?x=1", "s3://user@shop"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="names no bucket"):
        S3Bucket(url)


@pytest.mark.usefixtures("s3")
def test_what_the_store_refuses_is_one_line_with_a_remedy(project: Project) -> None:
    project.routes(ROUTES)
    with pytest.raises(CommandError, match="make it first, or correct the name") as error:
        export_of(project, S3Bucket("s3://missing")).run()
    assert "\n" not in str(error.value)


def test_missing_credentials_are_told(project: Project, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.routes(ROUTES)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    boto3.DEFAULT_SESSION = None
    with pytest.raises(CommandError, match="AWS_ACCESS_KEY_ID"):
        export_of(project, S3Bucket("s3://shop")).run()
    boto3.DEFAULT_SESSION = None
