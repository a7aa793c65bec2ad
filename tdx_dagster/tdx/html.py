"""From what TDX stores to what a person sees: visible text of HTML, and a form for comparing texts.

Belongs here: HTML to text, and which bodies are HTML. Does not: what the text means. Parsing is
left to a browser-grade parser; expressions over tags lose text and take quadratic time on hostile
mail.
"""

import re
import unicodedata
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Elements that a browser shows apart from their surroundings. All others join, those that it does not
# know included: `<b>CHEM</b>-<i>A103</i>` and `<st1:place>CHEM</st1:place>-A103` read CHEM-A103 (case B04).
_SEPARATING = frozenset(
    """
    address applet article aside audio blockquote body br button canvas caption center col colgroup dd details
    dialog dir div dl dt embed fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head
    header hgroup hr html iframe img input legend li link listing main map marquee menu meta meter nav object ol
    optgroup option output p param picture plaintext pre progress script search section select source style
    summary svg table tbody td template textarea tfoot th thead title tr track ul video xmp
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)

_CELLS = frozenset({"td", "th"})
_MOST_SPANS = 20
_MOST_DIGITS = 4

# Never shown as text, whatever they contain; struck out; or a choice that nobody made.
_HIDDEN = frozenset(
    """
    audio canvas datalist del head iframe math noembed noframes noscript object rp s script
    strike style svg template title video
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)

_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|line-through"
    r"|(?<![\w-])opacity\s*:\s*(?:0|0?\.0+|0%)\s*(?:;|!|$)"
    r"|(?<![\w-])(?:font-size|max-height|max-width)\s*:\s*0(?:\.0+)?\s*(?:px|pt|em|rem|%)?\s*(?:;|!|$)",
    re.IGNORECASE,
)

# Behind a word: the number of a footnote, no part of the word.
_FOOTNOTE = re.compile(
    r"\s*[\[(]?\s*(?:[0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*|[a-z]|[*\u2020\u2021\u00a7#]{1,3})\s*[\])]?\s*",
    re.IGNORECASE,
)
_LONGEST_FOOTNOTE = 12

# Blank characters of the source mean one blank in HTML, so borders need marks of their own:
# private-use characters, which no text exchanged between strangers holds.
_LINE, _CELL, _ROW, _TABLE_EDGE = "\ue000", "\ue001", "\ue002", "\ue003"
_BORDERS = re.compile(rf"[{_LINE}-{_TABLE_EDGE}][ {_LINE}-{_TABLE_EDGE}]*")
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
    """Give what a reader sees of an HTML body.

    Inline and unknown tags join, all others separate: the cells of a row by a tab, tables by an empty
    line, everything else by a line break. A cell that spans rows or columns leaves its places empty in
    them. Entities are decoded once; comments, attributes, head, style, script, hidden and struck-out
    elements, choices of a form and footnote marks are left out.
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
    """Give what a run of borders shows: tabs between cells, so that empty cells keep their column."""
    if _TABLE_EDGE in run[0]:
        return "\n\n" + "\t" * run[0].rpartition(_TABLE_EDGE)[2].rpartition(_ROW)[2].count(_CELL)
    rows = run[0].split(_ROW)
    if len(rows) > 1:
        return "\t" * rows[0].count(_CELL) + "\n" + "\t" * rows[-1].count(_CELL)
    return "\t" * run[0].count(_CELL) or "\n"


def _pieces(body: LexborNode) -> Iterator[str]:
    """Texts and borders in document order. No recursion: a mail may be nested thousands deep."""
    node: LexborNode | None = body.first_child
    depth = 1
    tables = _Tables()
    while node is not None and depth:
        if node.is_text_node:
            yield node.text_content or ""
        elif node.is_element_node:
            yield tables.open(node)
            if not _is_hidden(node) and (child := node.first_child) is not None:
                node, depth = child, depth + 1
                continue
            yield tables.close(node)
        while depth and node is not None and node.next is None:
            node, depth = node.parent, depth - 1
            if depth and node is not None:
                yield tables.close(node)
        node = node.next if node is not None and depth else None


class _Tables:
    """Borders of elements, and which places of the tables around them are taken by spanning cells."""

    def __init__(self) -> None:
        self._spans: list[dict[int, int]] = [{}]
        self._columns: list[int] = [0]

    def open(self, element: LexborNode) -> str:
        """Give the border before an element."""
        tag = element.tag
        if tag == "table":
            self._spans.append({})
            self._columns.append(0)
        elif tag == "tr":
            self._columns[-1] = 0
        elif tag in _CELLS:
            return self._cell(element)
        return _border_of(tag)

    def close(self, element: LexborNode) -> str:
        """Give the border after an element."""
        tag = element.tag
        if tag == "table" and len(self._spans) > 1:
            self._spans.pop()
            self._columns.pop()
        elif tag in _CELLS:
            return _CELL * (_span(element, "colspan") - 1)
        return _border_of(tag)

    def _cell(self, element: LexborNode) -> str:
        spans, column, skipped = self._spans[-1], self._columns[-1], 0
        while spans.get(column, 0) > 0:
            spans[column] -= 1
            column, skipped = column + 1, skipped + 1
        width, rows = _span(element, "colspan"), _span(element, "rowspan")
        if rows > 1:
            spans.update(dict.fromkeys(range(column, column + width), rows - 1))
        self._columns[-1] = column + width
        return _CELL * (skipped + _follows_an_element(element))


def _span(element: LexborNode, name: str) -> int:
    value = element.attributes.get(name) or ""
    return (
        min(max(int(value), 1), _MOST_SPANS)
        if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
        else 1
    )


def _is_hidden(element: LexborNode) -> bool:
    tag = element.tag
    if tag in _HIDDEN:
        return True
    if tag == "sup":
        return _is_footnote(element)
    attributes = element.attributes
    if tag == "option" and "selected" not in attributes:
        return True
    return "hidden" in attributes or bool(_HIDING_STYLE.search(attributes.get("style") or ""))


def _is_footnote(element: LexborNode) -> bool:
    """Tell whether a superscript is the mark of a footnote, and not "st" or a power."""
    text = ""
    for node in element.traverse(include_text=True):
        if node.is_text_node:
            text += node.text_content or ""
            if len(text) > _LONGEST_FOOTNOTE:
                return False
    return _FOOTNOTE.fullmatch(text) is not None


def _border_of(tag: str | None) -> str:
    if tag not in _SEPARATING or tag in _CELLS:
        return ""
    if tag == "table":
        return _TABLE_EDGE
    return _ROW if tag == "tr" else _LINE


def _follows_an_element(element: LexborNode) -> bool:
    before = element.prev
    while before is not None and not before.is_element_node:
        before = before.prev
    return before is not None


def body_text(body: str, is_html: bool | None) -> str:
    """Give the visible text of a body.

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
    """Give a text for comparing: compatibility forms folded, blanks and line breaks collapsed.

    For finding a posted comment among what TDX gives back, which may differ in both.
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())
