"""The instance (`schema`), how plain data become one (`reading`, `validation`), and its variants (`edits`)."""
