"""/notes is static, until a POST invalidates it."""

from notes import Note, all_notes, save_note

dynamic = "force-static"


def GET() -> list[Note]:
    return all_notes()


def POST(note: Note) -> Note:
    save_note(note)
    return note
