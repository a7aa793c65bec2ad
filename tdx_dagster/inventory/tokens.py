"""What a token is (rules 1 to 3): the one expression that cuts a folded text."""

import re

from tdx_dagster.inventory.folding import MARK

_LABEL = rf"[\w{MARK}]++(?:-[\w{MARK}]++)*+"

# Letters, digits, underscores and single hyphens; labels of a host name or a version joined by
# single dots. Two hyphens or two dots in a row separate, and so does a dot beside a hyphen.
TOKEN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+")
