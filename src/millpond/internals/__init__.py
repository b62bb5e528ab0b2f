"""All undocumented names of other packages that Millpond uses: here and nowhere else.

Each name is checked before it is used, and each has a simpler or slower fallback. docs/design.md lists them.
"""
