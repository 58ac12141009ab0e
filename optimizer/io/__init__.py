"""Instances as files: YAML, JSON, Excel workbooks, and the JSON schema of the format."""
