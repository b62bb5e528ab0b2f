"""/notes/first is rendered at build, other notes at their first request. A note that isn't there is a 404."""

from millpond import not_found

from notes import Note, all_notes, find_note

dynamic = "force-static"


def generate_static_params() -> list[dict[str, str]]:
    return [{"id": note.id} for note in all_notes()]


def GET(id: str) -> Note:
    note = find_note(id)
    if note is None:
        not_found()
    return note
