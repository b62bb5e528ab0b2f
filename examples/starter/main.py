"""The application: a FastAPI one, whose routes are the files in app/. Endpoints in code go here, too."""

from millpond import Millpond

app = Millpond("app", title="starter")
