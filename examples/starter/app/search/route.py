"""/search is live: it takes a query parameter, so it runs for each request. The notes that it reads are cached."""

from notes import Note, all_notes


def GET(text: str) -> list[Note]:
    return [note for note in all_notes() if text.lower() in note.text.lower()]
