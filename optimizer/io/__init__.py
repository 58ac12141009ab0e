"""Files of instances and plans: YAML, JSON, Excel workbooks, tables of builds; and the JSON schema of the format."""
