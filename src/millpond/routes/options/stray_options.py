"""Options of `@operation` that reach no operation: they are refused rather than ignored, as a guard may be one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import iter_route_contexts

from millpond.errors import Place, RouteModuleError
from millpond.routes.options.operation_options import files_with_marks, marked_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from starlette.routing import BaseRoute

    from millpond.routes.scan import RouteFile


def stray_options(exports: Mapping[str, Any], methods: Collection[str], file: RouteFile) -> None:
    """Refuse an @operation above a function of the file that is no handler.

    Args:
        exports: what the file defines.
        methods: the names of handlers; none in a metadata file.
        file: the file.

    Raises:
        RouteModuleError: there is one; the message names all.
    """
    used = {id(marked_of(exports[name])) for name in methods if name in exports}
    problems = []
    for name, value in exports.items():
        marked = marked_of(value)
        if marked is None or id(marked) in used or marked.written.file != str(file.path):
            continue  # also what a handler is made of, whose own decorator passes the mark on
        place = marked.place(str(file.path), file.file)
        problems.append(f"{place}: {name} has an @operation, and answers no requests; {_remedy(file)}.")
    if problems:
        raise RouteModuleError("\n".join(problems))


def refuse_in_code(
    declared: Sequence[BaseRoute], handlers: Collection[object], files: Collection[Path], project: Path
) -> None:
    """Refuse an @operation of an endpoint that is declared in code.

    Args:
        declared: the routes of the application, without those of files.
        handlers: the functions of the files' operations; one may be declared in code as well.
        files: the route files.
        project: the project's folder.

    Raises:
        RouteModuleError: there is one.
    """
    if files_with_marks <= {str(file) for file in files}:
        return
    used = {id(marked_of(handler)) for handler in handlers}
    for context in iter_route_contexts(declared):
        marked = marked_of(context.endpoint)
        if marked is not None and id(marked) not in used:
            place = Place(marked.written.file.removeprefix(f"{project}/"), marked.written.line)
            raise RouteModuleError(
                f"{place}: @operation does nothing for {context.path}, which is declared in code; "
                "give the options to the decorator that declares it, such as @app.get(...)."
            )


def _remedy(file: RouteFile) -> str:
    if file.metadata is not None:
        return "a metadata file has no options of operations: leave it out"
    return "call the function by a method, such as GET, or leave @operation out"
