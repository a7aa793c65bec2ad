"""A cheap test of whether any of many words begins at one place of a text.

Belongs here: the expression for that test, and the form of a text it is made for. Does not: the words
(`labels`, `contexts`). Python tries the alternatives of an expression one by one at each word of a text,
and slower where it ignores case; this rules out nearly all words by one or two characters.
"""

import re

_Tree = dict[str, "_Tree"]


def lowered(text: str) -> str:
    """Give a text of the same length in small letters, "i" for what ignoring case takes for one."""
    if not text.isascii():
        text = text.replace("\u0130", "i").replace("\u0131", "i")
    return text.lower()


def begins_with(words: str) -> str:
    """Give an expression that holds where one of some words begins in a `lowered` text.

    Args:
        words: Beginnings of words in small letters, separated by blanks.
    """
    tree = _tree(words.split())
    return f"(?=[{''.join(map(re.escape, tree))}])(?={_alternatives(tree)})"


def _tree(words: list[str]) -> _Tree:
    tree: _Tree = {}
    for word in sorted(words, key=len, reverse=True):
        branch = tree
        for character in word:
            branch = branch.setdefault(character, {})
        branch.clear()
    return tree


def _alternatives(tree: _Tree) -> str:
    found = [re.escape(c) + (_alternatives(rest) if rest else "") for c, rest in tree.items()]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"
