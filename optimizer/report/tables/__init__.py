"""How results look as tables: one module a question, one renderer."""
