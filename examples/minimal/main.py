from millpond import Millpond

app = Millpond("app", title="minimal")
