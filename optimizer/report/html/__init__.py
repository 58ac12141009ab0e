"""The report as one self-contained HTML page: data, scripts and styles."""
