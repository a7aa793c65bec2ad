"""From what TDX stores to what a person sees: visible text of HTML, and a form for comparing texts.

Belongs here: HTML to text, and which bodies are HTML. Does not: what the text means. Parsing is
left to a browser-grade parser; expressions over tags lose text and take quadratic time on hostile
mail.
"""

import re
import unicodedata
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

# They do not break a word: `<b>CHEM</b>-<i>A103</i>` reads CHEM-A103 (case B04). All others do.
_JOINING = frozenset(
    """
    a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q ruby s
    samp small span strike strong sub sup time tt u var wbr
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)

_CELLS = frozenset({"td", "th"})
_ROWS = frozenset({"table", "tr"})

# Never shown as text, whatever they contain.
_HIDDEN = frozenset(
    """
    audio canvas datalist head iframe math noembed noframes noscript object script style svg
    template title video
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)

_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE
)

# Blank characters of the source mean one blank in HTML, so borders need marks of their own:
# private-use characters, which no text exchanged between strangers holds.
_LINE, _CELL, _ROW = "\ue000", "\ue001", "\ue002"
_BORDERS = re.compile(rf"[{_LINE}{_CELL}{_ROW}][ {_LINE}{_CELL}{_ROW}]*")
_BLANKS = re.compile(r"\s+")

# The parser looks through all open blocks at each new one: 100,000 that are never closed take it half a
# minute, 5,000 a twentieth of a second. No mail that people read is nested as deep.
_DEEPEST = 5000
_BLOCK = re.compile(
    r"<(/?)(?:address|article|aside|blockquote|center|details|dialog|div|dl|fieldset|figure|footer|form"
    r"|header|main|menu|nav|ol|option|pre|section|select|summary|table|ul)\b",
    re.IGNORECASE,
)

# A parser passes over tags that have no place where they stand; they separate all the same. These are
# end tags that nothing opened, a second document, and parts of a table outside of any.
_MISPLACED = re.compile(
    r"</(?:address|article|blockquote|center|d[dlt]|div|form|h[1-6]|li|ol|p|pre|section|ul)\b"
    r"|</?(?:html|head|body)\b",
    re.IGNORECASE,
)
_TABLE = re.compile(r"<table\b", re.IGNORECASE)
_TABLE_PART = re.compile(r"</?(?:caption|col|colgroup|t[dhr]|tbody|tfoot|thead)\b", re.IGNORECASE)

# How to recognise HTML where TDX does not say: a tag of mail programs and editors, or an entity.
_LOOKS_LIKE_HTML = re.compile(
    r"</?(?:p|div|br|span|b|i|u|a|strong|em|ul|ol|li|table|tbody|tr|td|th|html|body|head|font|h[1-6]"
    r"|hr|img|pre|blockquote|style)(?:\s[^<>]*)?/?>|&(?:nbsp|amp|lt|gt|quot|#\d{1,7});",
    re.IGNORECASE,
)


def visible_text(html: str) -> str:
    """What a reader sees of an HTML body.

    Inline tags join, all others separate: the cells of a row by a tab, everything else by a line
    break. Entities are decoded once; comments, attributes, head, style, script and hidden elements
    are left out (rule 5).
    """
    body = LexborHTMLParser(_tidied(html)).body
    if body is None:
        return ""
    text = _BLANKS.sub(" ", "".join(_pieces(body)))
    text = _BORDERS.sub(_border, text)
    return text.replace(" \n", "\n").replace(" \t", "\t").strip("\n ")


def _tidied(html: str) -> str:
    """HTML of which the parser loses no border and in which it does not lose itself."""
    html = _MISPLACED.sub(rf"{_LINE}\g<0>", html)
    if _TABLE.search(html) is None:
        html = _TABLE_PART.sub("<br", html)
    return _BLOCK.sub("<br", html) if _is_nested_too_deep(html) else html


def _is_nested_too_deep(html: str) -> bool:
    depth = 0
    for tag in _BLOCK.finditer(html) if len(html) > _DEEPEST else ():
        depth += -1 if tag[1] else 1
        if depth > _DEEPEST:
            return True
    return False


def _border(run: re.Match[str]) -> str:
    """What a run of borders shows: tabs between cells, so that empty cells keep their column."""
    rows = run[0].split(_ROW)
    if len(rows) > 1:
        return "\t" * rows[0].count(_CELL) + "\n" + "\t" * rows[-1].count(_CELL)
    return "\t" * run[0].count(_CELL) or "\n"


def _pieces(body: LexborNode) -> Iterator[str]:
    """Texts and borders in document order. No recursion: a mail may be nested thousands deep."""
    node: LexborNode | None = body.first_child
    depth = 1
    while node is not None and depth:
        if node.is_text_node:
            yield node.text_content or ""
        elif node.is_element_node:
            yield _opening(node)
            if not _is_hidden(node) and (child := node.first_child) is not None:
                node, depth = child, depth + 1
                continue
            yield _closing(node)
        while depth and node is not None and node.next is None:
            node, depth = node.parent, depth - 1
            if depth and node is not None:
                yield _closing(node)
        node = node.next if node is not None and depth else None


def _is_hidden(element: LexborNode) -> bool:
    if element.tag in _HIDDEN:
        return True
    attributes = element.attributes
    return "hidden" in attributes or bool(_HIDING_STYLE.search(attributes.get("style") or ""))


def _opening(element: LexborNode) -> str:
    if element.tag in _CELLS:
        return _CELL if _follows_an_element(element) else ""
    return _closing(element)


def _closing(element: LexborNode) -> str:
    if element.tag in _JOINING or element.tag in _CELLS:
        return ""
    return _ROW if element.tag in _ROWS else _LINE


def _follows_an_element(element: LexborNode) -> bool:
    before = element.prev
    while before is not None and not before.is_element_node:
        before = before.prev
    return before is not None


def body_text(body: str, is_html: bool | None) -> str:
    """The visible text of a body.

    Args:
        body: As TDX sent it.
        is_html: True for feed entries and replies, which always bear HTML; a ticket's `IsRichHtml`
            for its description. None where TDX does not say: then the body decides.

    Returns:
        Visible text. A body marked as plain comes back as it is: its angle brackets are text.
    """
    if is_html is None:
        is_html = _LOOKS_LIKE_HTML.search(body) is not None
    return visible_text(body) if is_html else body


def normalised(text: str) -> str:
    """A text for comparing: compatibility forms folded, blanks and line breaks collapsed.

    For finding a posted comment among what TDX gives back, which may differ in both.
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())
