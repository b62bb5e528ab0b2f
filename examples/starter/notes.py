"""The notes. They are kept in memory, in place of a database."""

from millpond import cached, revalidate_tag
from pydantic import BaseModel


class Note(BaseModel):
    """What clients send and get."""

    id: str
    text: str


_notes = {"first": Note(id="first", text="Edit app/route.py, and look at / again.")}


@cached(tags=["notes"])
def all_notes() -> list[Note]:
    """Every note. The result is cached, and so is each answer that is made of it, until the tag is invalidated."""
    return list(_notes.values())


def find_note(note_id: str) -> Note | None:
    """One note, or None."""
    return next((note for note in all_notes() if note.id == note_id), None)


def save_note(note: Note) -> None:
    """Add or replace a note. No answer with the old notes is served from here on."""
    _notes[note.id] = note
    revalidate_tag("notes", {"expire": 0})
