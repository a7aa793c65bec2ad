"""Rewrites: a desk that shows comments in another form than they were sent (case F01).

`Options.rewrites` names the rewrites in force. They apply when a comment is shown, so that the state keeps
what was sent and a test can count it. System entries are never rewritten.
"""

import html
import re
from collections.abc import Callable

from tdx_dagster.simulator.tenant.options import REWRITES, Options

_ASTRAL = re.compile(
    r"[\U00010000-\U0010FFFF]|&#(?:x0*[1-9a-f][0-9a-f]{4,5}|0*[1-9]\d{5,6});", re.IGNORECASE
)
_TAG = re.compile(r"(<[^>]*>)")
_CHARACTER = re.compile(r"&\w+;|&#\w+;|.", re.DOTALL)
_LINK = re.compile(r"(https?://[^\s<>&]+)")
_LONGEST_LINK = 24
_MENTION = re.compile(r"(?<![\w.@])@(\w[\w.-]*\w)")
_TYPOGRAPHY = (
    (re.compile(r"(^|[\s(>])(?:&quot;|\")"), "\\1\u201c"),
    (re.compile(r"&quot;|\""), "\u201d"),
    (re.compile(r"&#39;|&#x27;|'"), "\u2019"),
    (re.compile(r" -{1,2} "), " \u2013 "),
    (re.compile(r"--"), "\u2014"),
    (re.compile(r"\.\.\."), "\u2026"),
)


def rewritten(options: Options, body: str) -> str:
    """Apply the rewrites in force to the HTML of a comment."""
    for name in REWRITES:
        if name in options.rewrites:
            body = _RULES[name](options, body)
    return body


def _in_text(change: Callable[[str], str], body: str) -> str:
    """Change what is between the tags."""
    parts = _TAG.split(body)
    return "".join(part if row % 2 else change(part) for row, part in enumerate(parts))


def _typography(_options: Options, body: str) -> str:
    def change(text: str) -> str:
        for pattern, better in _TYPOGRAPHY:
            text = pattern.sub(better, text)
        return text

    return _in_text(change, body)


def _links(_options: Options, body: str) -> str:
    def shorten(found: re.Match[str]) -> str:
        address = found[1]
        if len(address) <= _LONGEST_LINK:
            return f'<a href="{address}">{address}</a>'
        return f'<a href="{address}">{address[:_LONGEST_LINK]}\u2026</a>'

    return _in_text(lambda text: _LINK.sub(shorten, text), body)


def _mentions(_options: Options, body: str) -> str:
    shown = r'<span class="mention" data-name="\1">\1</span>'
    return _in_text(lambda text: _MENTION.sub(shown, text), body)


def _cut(options: Options, body: str) -> str:
    left = options.rewrite_cut_at

    def change(text: str) -> str:
        nonlocal left
        characters = _CHARACTER.findall(text)[:left]
        left -= len(characters)
        return "".join(characters)

    return _in_text(change, body)


def _reserialised(_options: Options, body: str) -> str:
    """Write the HTML as another parser would: paragraphs, `<br>`, no needless entities."""
    inner = _in_text(
        lambda text: html.escape(html.unescape(text), quote=False).replace("\u00a0", "&nbsp;"), body
    )
    return f"<p>{re.sub(r' */>', '>', inner)}</p>\n"


_RULES: dict[str, Callable[[Options, str], str]] = {
    "astral_dropped": lambda _options, body: _ASTRAL.sub("", body),
    "astral_lost": lambda _options, body: _ASTRAL.sub("??", body),
    "typography": _typography,
    "links": _links,
    "mentions": _mentions,
    "cut": _cut,
    "footer": lambda options, body: f"{body}<br /><br />{html.escape(options.rewrite_footer)}",
    "reserialised": _reserialised,
}
