"""For processes in which names are hidden from Millpond; Python imports this file by itself."""

from hidden_names import hide_when_imported

hide_when_imported()
