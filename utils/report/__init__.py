"""The merged report of a run: its schema, how it is built, and its terminal, Markdown and HTML forms."""
