"""Pictures: with Python 3.11 the profiler is off while pictex works, and on where the user's code may run."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING

import pytest
from observed_project import Found, built, found

from millpond.internals.pictex_copies import COPY
from millpond.metadata.drawing import pictures_work
from millpond.metadata.library_work import library_work
from millpond.observe import observer
from millpond.observe.profiling import ProfilingSource, _profile

if TYPE_CHECKING:
    from types import FrameType

    from ponds import Project

pictex = pytest.importorskip("pictex")
pytestmark = pytest.mark.anyio


class Listener:
    """Hears which functions in C are called."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def called(self, function: object, owner: object, frame: FrameType) -> None:
        del owner, frame
        self.heard.append(getattr(function, "__name__", ""))

    def begun(self, frame: FrameType) -> None:
        del frame


@pytest.fixture(autouse=True)
def no_class_of_another_test() -> None:
    gc.collect()


def test_the_profiler_is_off_within_a_librarys_work_and_on_again_after_it() -> None:
    with ProfilingSource(Listener()).installed(throughout=True):
        assert sys.getprofile() is _profile
        with contextlib.suppress(ZeroDivisionError), library_work():
            assert sys.getprofile() is None
            raise ZeroDivisionError
        assert sys.getprofile() is _profile


def test_somebody_elses_profiler_stays_on_within_a_librarys_work() -> None:
    def profile(*_: object) -> None: ...

    former = sys.getprofile()
    with ProfilingSource(Listener()).installed(throughout=False):
        sys.setprofile(profile)
        try:
            with library_work():
                assert sys.getprofile() is profile
        finally:
            sys.setprofile(former)


def test_elements_are_copied_unobserved_and_as_before_when_the_build_is_over() -> None:
    copy, seen = COPY.find(), []

    class Told:
        def __deepcopy__(self, memo: object) -> Told:
            seen.append(sys.getprofile())
            return self

    inner = pictex.Row()
    inner.told = Told()
    with ProfilingSource(Listener()).installed(throughout=True):
        outer = pictex.Column(inner)
    assert seen == [None]
    assert outer._children[0] is not inner
    assert COPY.find() is copy


def test_work_with_a_class_that_is_derived_from_pictexs_is_observed() -> None:
    with ProfilingSource(Listener()).installed(throughout=True):
        with pictures_work():
            assert sys.getprofile() is None
        mine = type("Mine", (pictex.Row,), {})
        with pictures_work():
            assert sys.getprofile() is _profile
        del mine


async def test_what_an_element_of_the_users_reads_while_it_is_drawn_is_frozen(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "source_for", lambda listener, project: ProfilingSource(listener))
    source = """
        import time
        from millpond import ImageResponse
        from pictex import Row, Text

        class Dated(Row):
            def _to_node(self):
                self.size(int(time.time() * 0) + 8, 8)
                return super()._to_node()

        def GET():
            return ImageResponse(Dated(Text("a")), width=16, height=16)
    """
    manifest = await built(project, {"/": source})
    assert Found("clock (time.time)", "app/route.py", 9) in [found(one) for one in manifest.routes[0].inputs]
