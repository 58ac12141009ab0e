"""Limits on what is read from files, so that no file can exhaust time or memory.

They lie far above real use: an instance of 10,000 shocks has some 90,000 values in 1 MB. A file beyond a limit is
refused with a finding that names the limit.

FILE_BYTES          size of an instance file
PLAN_BYTES          size of a saved plan, which holds every flow
PLAN_VALUES         values of a saved plan
CHECKPOINT_BYTES    size of a checkpoint once unpacked
VALUES              values of an instance, aliases and merges expanded, the cells of a workbook among them
NESTING             mappings and lists inside each other
NUMBER_LENGTH       characters of a number
KEY_LENGTH          characters of a key
CELLS               cells of a workbook that are stored, empty ones with a format among them
CELL_LENGTH         characters of a cell, as in Excel
WORKBOOK_BYTES      size of a workbook once unpacked, and characters of all its cells
WORKBOOK_PARTS      files inside a workbook
WORKBOOK_TAGS       XML tags inside a workbook
EXCERPT             characters of a value that a message repeats
MESSAGE             characters of a message
FINDINGS            errors that are reported at once; the rest is left out, and said to be
EVENTS              shocks, members of families and samples of ensembles counted
COLUMNS             periods, times all processes, options and segments
TARGETS             targets of an adversary
RANGE_VALUES        values of a file, times the patterns under `ranges:` that are matched with them
SCENARIO_VALUES     values of a file, times its scenarios that are checked before one of them is used
"""

FILE_BYTES = 32 * 2**20
PLAN_BYTES = 128 * 2**20
PLAN_VALUES = 1_500_000
CHECKPOINT_BYTES = 2**30
VALUES = 400_000
NESTING = 32
NUMBER_LENGTH = 400
KEY_LENGTH = 10_000
CELLS = 250_000
CELL_LENGTH = 32_767
WORKBOOK_BYTES = 64 * 2**20
WORKBOOK_PARTS = 1_000
WORKBOOK_TAGS = 3_000_000
EXCERPT = 60
MESSAGE = 1_000
FINDINGS = 200
EVENTS = 120_000
COLUMNS = 2_000_000
TARGETS = 5_000
RANGE_VALUES = 4_000_000
SCENARIO_VALUES = 400_000
