"""The STAC API, built and served as its users would do it."""

from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient

from cli_project import address_in, execute, spawn
from millpond import Millpond
from ported.stac.api import create_api
from ported.stac.samples import KEY, a_collection, an_item
from ported.stac.settings import StacSettings

HERE = str(Path(__file__).parents[1])
MAIN = """\
from ported.stac.api import create_api

from millpond import Millpond

app = create_api(Millpond)
"""


def test_a_build_is_served_until_somebody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", HERE, prepend=":")
    database = f"sqlite:///{tmp_path}/stac.db"
    monkeypatch.setenv("STAC_DATABASE", database)
    with TestClient(create_api(Millpond, StacSettings(database))) as client:
        for name in ("rivers", "lakes"):
            assert client.post("/collections", json=a_collection(name), headers=KEY).status_code == 201
    (tmp_path / "main.py").write_text(MAIN)
    built = execute("build", "--dir", str(tmp_path))
    assert built.code == 0, built.err
    table = built.out
    assert built.err == ""
    for row in ("/collections/rivers", "/collections/lakes", "/collections/[collection_id]/items/[item_id]"):
        assert row in table

    process = spawn("start", "--dir", str(tmp_path), "--port", "0")
    try:
        with httpx2.Client(base_url=address_in(process), trust_env=False, timeout=10) as visitor:

            def state(path: str) -> str:
                answer = visitor.get(path)
                assert answer.status_code == 200, answer.text
                return str(answer.headers["x-nextjs-cache"])

            for path in ("/", "/collections", "/collections/rivers", "/collections/lakes"):
                assert state(path) == "HIT", path
            items = "/collections/rivers/items"
            assert [state(f"{items}?limit=5"), state(f"{items}?limit=5")] == ["MISS", "HIT"]
            assert visitor.post(items, json=an_item("a"), headers=KEY).status_code == 201
            assert state(f"{items}?limit=5") == "MISS"
            assert [state(f"{items}/a"), state(f"{items}/a")] == ["MISS", "HIT"]
            assert state("/collections/rivers") == "HIT"
            changed = visitor.put("/collections/rivers", json=a_collection("rivers", title="R"), headers=KEY)
            assert changed.status_code == 200
            assert [state("/collections/rivers"), state("/collections/lakes")] == ["MISS", "HIT"]
            assert visitor.get("/collections/rivers").json()["title"] == "R"
    finally:
        process.kill()
        process.communicate()
