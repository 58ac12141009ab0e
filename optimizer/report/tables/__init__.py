"""Tables of results: one module a question, and one renderer."""
