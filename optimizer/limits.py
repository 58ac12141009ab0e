"""Limits on what is read from files, so that no file can exhaust time or memory.

They lie far above real use: an instance of 10,000 shocks has some 90,000 values in 1 MB. A file beyond a limit is
refused with a finding that names the limit.
"""

# Bytes of an instance file, of a saved plan, which holds every flow, and of a checkpoint once unpacked.
FILE_BYTES, PLAN_BYTES, CHECKPOINT_BYTES = 32 * 2**20, 128 * 2**20, 2**30
# Values of an instance, aliases and merges expanded, the cells of a workbook among them; values of a saved plan.
VALUES, PLAN_VALUES = 400_000, 1_500_000
# Mappings and lists inside each other.
NESTING = 32
# Characters of a number, of a key, and of a message.
NUMBER_LENGTH, KEY_LENGTH, MESSAGE = 400, 10_000, 1_000
# Cells of a workbook that are stored, empty ones with a format among them; characters of a cell, as in Excel.
CELLS, CELL_LENGTH = 250_000, 32_767
# Bytes of a workbook once unpacked, and characters of all its cells; its files; its XML tags.
WORKBOOK_BYTES, WORKBOOK_PARTS, WORKBOOK_TAGS = 64 * 2**20, 1_000, 3_000_000
# The most errors that are reported at once; a further finding says that others are left out.
FINDINGS = 200
# Shocks, members of families and samples of ensembles counted; periods times all processes, options and segments.
EVENTS, COLUMNS = 120_000, 2_000_000
# The most futures of a file.
MOST_FUTURES = 1_000
# Targets of an adversary.
TARGETS = 5_000
# Values of a file, times the patterns under `ranges:` that are matched with them.
RANGE_VALUES = 4_000_000
# Values of a file, times its scenarios that are checked before one of them is used.
SCENARIO_VALUES = 400_000
# Members who may plan together: every coalition of them is a plan of its own.
MEMBERS_AT_ONCE = 6
