"""Sharing a build among processes, without any: who renders what, when others are worth their start, how many cores."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from millpond.prerender.failure import Failure
from millpond.prerender.sharing.build_part import Findings, part_folder
from millpond.prerender.sharing.claims import Claims, NumberFile
from millpond.prerender.sharing.cores import available_cores
from millpond.prerender.sharing.worthwhile import Pace, worthwhile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def number(tmp_path: Path) -> NumberFile:
    return NumberFile(tmp_path / "next")


def test_each_position_is_claimed_once_and_in_order() -> None:
    claims = Claims(3)
    assert [claims.claim(0, 8) for _ in range(4)] == [0, 1, 2, None]


def test_processes_that_share_a_number_claim_what_the_others_have_not(number: NumberFile) -> None:
    mine, theirs = Claims(6), Claims(6)
    assert mine.claim(0, 8) == 0
    number.value = mine.next
    mine.share(number, 2)
    theirs.share(number, 2)
    assert [claims.claim(0, 8) for claims in (theirs, mine, theirs, theirs, mine, mine)] == [1, 2, 3, 4, 5, None]


def test_the_last_positions_are_left_to_all_processes_alike(number: NumberFile) -> None:
    claims = Claims(4)
    claims.share(number, 2)
    assert claims.claim(1, 8) == 0  # of four, two are this process's
    assert claims.claim(2, 8) is None
    assert claims.claim(1, 8) == 1
    assert claims.claim(1, 8) is None  # of two, one is
    assert [claims.claim(0, 8), claims.claim(0, 8)] == [2, 3]


def test_a_process_renders_no_more_at_a_time_than_it_has_places() -> None:
    assert Claims(100).claim(4, 4) is None


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_number_in_a_folder_that_is_gone_is_an_error_and_no_more(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NumberFile(tmp_path / "gone" / "next")
    gc.collect()


def test_one_process_at_a_time_claims(number: NumberFile, tmp_path: Path) -> None:
    other, claimed = NumberFile(tmp_path / "next"), threading.Event()

    def claim() -> None:
        with other.held():
            claimed.set()

    thread = threading.Thread(target=claim)
    with number.held():
        thread.start()
        assert not claimed.wait(0.05)
    thread.join(5)
    assert claimed.is_set()


@pytest.mark.parametrize(
    ("pace", "processes"),
    [
        (Pace(0.9, 0.9, 10, 10_000), 1),  # too early to tell
        (Pace(2.0, 2.0, 0, 10_000), 1),  # nothing is rendered yet
        (Pace(2.0, 0.9, 100, 10_000), 1),  # it waits, or others use the cores
        (Pace(1.0, 1.0, 100, 290), 1),  # 2.9 s are left, and a start takes 1 s
        (Pace(1.0, 1.0, 100, 300), 2),
        (Pace(1.0, 1.0, 100, 600), 3),
        (Pace(1.0, 1.0, 100, 10_000), 4),
        (Pace(9.0, 8.0, 100, 0), 1),  # others have begun what is left
    ],
)
def test_processes_are_started_when_enough_work_is_left_for_each(pace: Pace, processes: int) -> None:
    assert worthwhile(pace, start_seconds=1.0, most=4) == processes


def test_never_more_processes_than_allowed() -> None:
    assert worthwhile(Pace(1.0, 1.0, 1, 10_000), start_seconds=0.1, most=1) == 1


@pytest.mark.parametrize(
    ("group", "limits", "most"),
    [
        ("/", {"cpu.max": "100000 100000"}, 1),
        ("/a/b", {"a/cpu.max": "50000 100000"}, 1),
        ("/a/b", {"a/cpu.max": "max 100000", "a/b/cpu.max": "100 100000"}, 1),
    ],
)
def test_a_quota_of_the_container_counts_as_cores(
    tmp_path: Path, group: str, limits: dict[str, str], most: int
) -> None:
    for name, text in limits.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(f"{text}\n", "utf-8")
    (tmp_path / "self").write_text(f"1:cpu:/old\n0::{group}\n", "utf-8")
    assert available_cores(tmp_path / "cgroup", tmp_path / "self") == most


def test_without_a_quota_the_cores_count_that_the_process_may_use(tmp_path: Path) -> None:
    (tmp_path / "self").write_text("0::/\n", "utf-8")
    expected = available_cores(tmp_path, tmp_path / "none")
    assert expected >= 1
    assert available_cores(tmp_path, tmp_path / "self") == expected
    (tmp_path / "cpu.max").write_text("max 100000\n", "utf-8")
    assert available_cores(tmp_path, tmp_path / "self") == expected


def test_what_was_claimed_and_not_rendered_is_known_of_a_process_that_was_ended_while_it_wrote() -> None:
    failure = Failure("app/route.py", "/a", {}, "why")
    with part_folder() as folder:
        file = folder.pages(1)
        assert file.under_way() == []
        with file.open() as writer:
            for position in (3, 5, 300):
                writer.claimed(position)
            writer.rendered(5, failure)
            writer.write_page(b"\x80\x05half a record")
        assert file.under_way() == [3, 300]
        assert file.read([]) == ({5: failure}, Findings())
    assert not folder.path.exists()


class Narrow(io.FileIO):
    """Takes three bytes at a time, as a disk does that is almost full."""

    def write(self, content: Any, /) -> int:
        return super().write(bytes(content)[:3])


def test_a_record_is_written_whole_however_little_the_system_takes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failure("app/route.py", "/a", {}, "why")
    monkeypatch.setattr("pathlib.Path.open", lambda path, mode, buffering=0: Narrow(path, mode))
    with part_folder() as folder:
        file = folder.pages(1)
        with file.open() as writer:
            writer.claimed(5)
            writer.rendered(5, failure)
        monkeypatch.undo()
        assert file.read([]) == ({5: failure}, Findings())
        assert file.under_way() == []


def test_the_folder_of_a_build_that_was_killed_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed, other, new = (tmp_path / f"millpond-build-{name}" for name in ("killed", "other", "new"))
    for folder, file in ((killed, "owner"), (other, "owner"), (new, "new-owner")):
        folder.mkdir()
        (folder / file).touch()
    with NumberFile(other / "owner").held(), part_folder() as first, part_folder() as second:
        assert set(tmp_path.iterdir()) == {other, new, first.path, second.path}
    assert set(tmp_path.iterdir()) == {other, new}


ORPHAN = """
import multiprocessing, os, sys
from pathlib import Path
from millpond.prerender.sharing.build_part import PartFolder
from millpond.prerender.sharing.crew_member import run_member

def late(folder):  # it begins when the first process is gone
    multiprocessing.parent_process().join()
    Path(folder, "claimed-1").touch()
    run_member(None, PartFolder(Path(folder)), 1, None)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=late, args=(sys.argv[1],)).start()
    os._exit(0)
"""


def test_a_process_that_begins_after_the_end_of_the_first_says_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "orphan.py").write_text(ORPHAN, "utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    done = subprocess.run([sys.executable, str(tmp_path / "orphan.py"), str(folder)], capture_output=True, check=False)
    assert (done.returncode, done.stderr, folder.exists()) == (0, b"", False)
