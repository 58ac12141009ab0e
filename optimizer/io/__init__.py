"""Instances and plans as files: YAML, JSON, Excel workbooks, tables of builds; and the JSON schema of the format."""
