"""All that Millpond uses of other packages beyond what they document: here, and nowhere else.

Each name is looked for before it is used, and there is a plainer or slower way without it. docs/design.md lists them.
"""
