"""Where a text says "what follows is a serial number, a tag or the name of a computer".

Belongs here: label words of several languages, the fields they name, and what may stand between a
label and its value. Does not: columns of tables (`tables`), what the value is worth (`identifiers`).
"""

# ruff: noqa: E501, RUF001  the expressions list words, among them such signs, as people write them

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tdx_dagster.discovery.beginnings import begins_with, lowered
from tdx_dagster.discovery.ranges import FOLLOWS
from tdx_dagster.discovery.tokens import TOKEN
from tdx_dagster.inventory.computers import Field

NAME: tuple[Field, ...] = ("name", "serial number", "tag")
SERIAL: tuple[Field, ...] = ("serial number",)
TAG: tuple[Field, ...] = ("tag",)
EITHER: tuple[Field, ...] = ("serial number", "tag")

_NUMBER = r"(?:[\s_-]{0,2}(?:numbers?|(?:num|nos?|nr|id)(?:\.|(?!\w))))"
_OWNER = r"(?:asset|property|inventory|equipment|university|state|college|department|barcode)"
_MACHINE = (
    r"(?:computer|pc|laptop|machine|device|host|server|workstation|desktop|notebook|system|mac|netbios|endpoint"
    r"|node|kiosk|chromebook)"
)

# What a label begins with in a `lowered` text; single letters stand in the expression itself.
_BEGINNINGS = begins_with(
    """
    serial serien serienummer sn number num núm service svc asset property inventory equipment university state
    college department barcode decal bar inv.-nr inv-nr inventar anlagen code etiquet étiquet tag dns computer pc
    laptop machine device host server workstation desktop notebook system mac netbios endpoint node kiosk
    chromebook rechner gerät gerat nom nombre ordinateur equipo
    """
)

_LABEL = re.compile(
    rf"""
    \b(?<!-) (?: (?=s[.\s/]|n[.\s/°º]|n[or][.\sd]) | {_BEGINNINGS} )
    (?: (?P<serial> serials? {_NUMBER}? (?:\(s\))?
            | s\.?\s?/\s?n {_NUMBER}? | s\.n\. | sns? | n\.?/s(?=\s*:)
            | serien[\s-]?(?:nummern?|nr\.?) | serienummer
            | (?:n[uú]m[ée]ro|n\s?[°º]|n\.\s?[°ºo]|n[or]\.?|number) \s d[ei] \s s[ée]rie )
      | (?P<service> (?:service|svc)[\s_-]?tags? {_NUMBER}? (?:\(s\))? )
      | (?P<tag> {_OWNER}[\s_-]? tags? {_NUMBER}? (?:\(s\))?
            | (?:asset|property|inventory|equipment) (?: {_NUMBER} | (?=\s?\#) | [\s_-](?:label|sticker|barcode|code|control\snumber) {_NUMBER}? )
            | (?:(?:property|university|asset|inventory)[\s_-])? (?:decals?|bar[\s-]?codes?) {_NUMBER}?
            | inv\.?-nr\.? | inventar[\s-]?(?:nummern?|nr\.?) | anlagen[\s-]?(?:nummern?|nr\.?)
            | asset-?nummern?
            | (?:n[uú]m[ée]ro|n\s?[°º]|n\.\s?[°ºo]|n[or]\.?|code) \s? d(?:e\s|[’'\u2019]\s?) (?:l[’'\u2019])? inventa(?:ire|rio)
            | n[uú]mero \s d[eio] \s (?:inventario|invent[aá]rio|patrim[oô]nio|activo)
            | [eé]tiquet(?:a|te) \s d[e’'\u2019]\s? (?:activo|inventario|inventaire) )
      | (?P<bare> tags? {_NUMBER}? (?:\(s\))? )
      | (?P<name> {_MACHINE}[\s_-]?names? | host(?=\s?[:=]) | hostnames? | dns\sname
            | {_MACHINE} \s (?:is\s)? (?:named|called)
            | (?:rechner|computer|ger[äa]te|host|pc)-?namen? | nom \s (?:de\s|du\s|d[’'\u2019])(?:l[’'\u2019])? (?:ordinateur|poste|pc|machine)
            | nombre \s (?:de\s|del\s)(?:la\s|el\s)? (?:equipo|ordenador|computador[a]?|pc|m[aá]quina) )
      | (?P<machine> (?:{_MACHINE}|rechner|ordinateur|equipo|asset) (?=\s?[:=]\s) )
    )
    # Glued to a value, only the form with a stroke is a label: SN104233 is a token of its own.
    (?: (?!-?\w) | (?<=/n)(?=[0-9]) | (?<=\.)(?=[0-9]) )
    """,
    re.VERBOSE,
)

_FIELDS: dict[str, tuple[Field, ...]] = {
    "serial": SERIAL,
    "service": EITHER,
    "tag": TAG,
    "bare": EITHER,
    "name": NAME,
    "machine": NAME,
}

# What may stand between a label and its value: punctuation and one small verb. A closing bracket only
# before a colon: "serial (S/N): 104233" names it, "(it has no tag) 104233" does not.
_GAP = re.compile(
    r"""
    (?: [\s:=\#'\"“”\u2018\u2019`*~|(\[{<>→—-] | [)\]](?=\s*[:=]) | (?<=[\s.])\.(?=[\s.:]) )*
    (?: (?:is|was|are|reads|says|ist|lautet|est|es|é)\b [\s:=\#'\"“”\u2018\u2019`*~|(\[{<>→—-]*+ )?
    """,
    re.VERBOSE | re.IGNORECASE,
)

# "The asset tag on the bottom of the laptop is 104233": words of one clause, then a verb.
_CLAUSE = re.compile(
    r"(?:[ \t]+[^\W\d_]+(?:['’][^\W\d_]{1,2})?){1,9}?[ \t]+(?:is|reads|says|ist|lautet|est|es)\b[ \t:'\"“”\u2018\u2019`#]*"
    r"(?=[\w-]*[0-9])",
    re.IGNORECASE,
)

# A label names what is near. Without bounds, a text of nothing but labels takes quadratic time.
_LONGEST_GAP = 60
_LONGEST_CLAUSE = 100

# What separates the values of a list under a label in the plural.
_LIST_GAP = re.compile(r"(?:[\s,;/&+|•·*-]|(?<!\w)(?:and|or|plus|und|et|y)(?!\w))+", re.IGNORECASE)

_PLURAL = re.compile(r"(?<!ba)s\)?\.?$|nummern$", re.IGNORECASE)
_SERIAL_ITSELF = re.compile(r"s/n$|sn$", re.IGNORECASE)
_JOINT = re.compile(r"[ \t]*(?:/|\(|,|\bor\b|\band\b|&|\||oder|ou|o\b)?[ \t]*")

# A bare "tag" hangs on many things. It is a label where the word before it does not say on which.
_BEFORE_BARE = re.compile(r"(?<![\w-])([^\W\d_]+(?:['’]s)?)[ \t-]+$")
_NEUTRAL = frozenset(
    """
    the a an its my your our his her their this that these those of and or with has have is are number
    computer computers pc laptop machine device desktop workstation dell hp lenovo apple university um it dept
    department college sticker it's computer's laptop's machine's pc's spare spare's hardware old new both two
    three following please thanks hello hi ok sorry also now so then here below info
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)
_AFTER_BARE = re.compile(
    r"[ \t]*['\"”’*_`)]{0,2}[ \t]*(?:[:=\#|\t]|[-–][ \t]|is\b|are\b)", re.IGNORECASE
)

# The number of one of these is not the number of a computer.
_DEVICE = (
    r"(?:licen[cs]e|software|monitor|display|screen|dock|docking[ ]station|ups|printer|copier|projector|phone"
    r"|telephone|switch|router|access[ ]point|scanner|keyboard|mouse|badge|charger|adapter|adaptor|battery"
    r"|camera|webcam|headset|tv|television|disk|drive|ssd|hdd|hard[ ]drive|key|card|sim|modem|microphone"
    r"|speaker|toner|cartridge|cable|cart|chair|desk|furniture|vehicle|car|truck|bike|bicycle|order|invoice"
    r"|ticket|case|product|certificate|cert|lizenz|drucker|monitore?s?|bildschirm|licence|imprimante|[ée]cran|impresora|pantalla"
    r"|licencia|parking|toll|ear|name|price|luggage|bag|dog|vlan|git|image|docker|container|web|html|meta)"
)
_DEVICE_BEFORE = re.compile(
    rf"(?<![\w-]){_DEVICE}(?:['’]?s)?(?:[ \t]*[,:(\[-]?[ \t]*(?:(?:with|has|the|its|whose|,)[ \t]+){{0,2}})$",
    re.IGNORECASE,
)
_DEVICE_IN_CLAUSE = re.compile(rf"(?<![\w-]){_DEVICE}(?![\w-])", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:no|not|never|without|kein\w*|sans|sin|pas)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a label says of the token that it names.

    Args:
        fields: Which fields of a record the token may equal, the likeliest first.
        is_strong: Whether words of letters only count after it.
        is_other: Whether the number belongs to another kind of thing than a computer.
    """

    fields: tuple[Field, ...]
    is_strong: bool = True
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class _Label:
    start: int
    end: int
    kind: str
    is_plural: bool
    says: Labelled


def labels_of(text: str) -> tuple[str, dict[int, Labelled]]:
    """Find the tokens that a label names.

    A value is labelled when it directly follows the label, when it belongs to a list that follows a
    label in the plural, or when one clause joins both.

    Returns:
        A text of the same length with blanks for its labels, and what is said of the token at each
        position.
    """
    labels = list(_labels(text))
    if not labels:
        return text, {}
    pieces, end = [], 0
    for label in labels:
        pieces += [text[end : label.start], " " * (label.end - label.start)]
        end = label.end
    bare = "".join([*pieces, text[end:]])
    said: dict[int, Labelled] = {}
    starts = {label.start for label in labels}
    for number, label in enumerate(labels):
        following = labels[number + 1] if number + 1 < len(labels) else None
        says = _joint(label, labels, number, text)
        stop = following.start if following else len(text)
        for position in _values_after(label, bare, stop, following):
            if position in said or position in starts:
                break
            said[position] = says
    return bare, said


def heads(cell: str) -> Labelled | None:
    """Say what the head of a column says of the values below it; None where it is no label."""
    found = _LABEL.fullmatch(lowered(cell))
    if found is None or found.lastgroup is None:
        return None
    return Labelled(_FIELDS[found.lastgroup], is_strong=found.lastgroup != "bare")


def _labels(text: str) -> Iterator[_Label]:
    for found in _LABEL.finditer(lowered(text)):
        kind = found.lastgroup or ""
        if kind == "bare" and not _is_label_itself(found, text):
            continue
        is_other = (
            _DEVICE_BEFORE.search(text, max(0, found.start() - 40), found.start()) is not None
        )
        is_plural = (
            kind not in ("name", "machine")
            and _PLURAL.search(found[0]) is not None
            and not _SERIAL_ITSELF.search(found[0])
        )
        yield _Label(
            found.start(),
            found.end(),
            kind,
            is_plural,
            Labelled(_FIELDS[kind], is_strong=kind != "machine", is_other=is_other),
        )


def _is_label_itself(found: re.Match[str], text: str) -> bool:
    """Tell whether a bare "tag" may be the tag of a computer."""
    before = _BEFORE_BARE.search(text, max(0, found.start() - 30), found.start())
    if before is not None and before[1].lower() not in _NEUTRAL:
        return False
    has_number = not found[0].rstrip("s").endswith("tag")
    return has_number or _AFTER_BARE.match(text, found.end()) is not None


def _joint(label: _Label, labels: list[_Label], number: int, text: str) -> Labelled:
    """Give what a label says together with the one right before it: "Asset tag / service tag"."""
    if number == 0:
        return label.says
    before = labels[number - 1]
    between = _JOINT.fullmatch(text, before.end, label.start)
    if between is None or before.kind == label.kind:
        return label.says
    both = dict.fromkeys((*before.says.fields, *label.says.fields))
    return Labelled(tuple(both), is_other=before.says.is_other or label.says.is_other)


def _values_after(label: _Label, bare: str, stop: int, following: "_Label | None") -> Iterator[int]:
    gap = _GAP.match(bare, label.end, label.end + _LONGEST_GAP)
    if gap is None:
        return
    value = TOKEN.match(bare, gap.end())
    if following is not None and gap.end() > following.start:
        return
    if value is None or not _reaches(label, gap[0], bare, value):
        return
    if label.kind in {"serial", "tag", "service"}:
        clause = _CLAUSE.match(bare, label.end, min(label.end + _LONGEST_CLAUSE, stop))
        if clause is not None:
            words = clause[0]
            if not (_DEVICE_IN_CLAUSE.search(words) or _NEGATED.search(words)):
                yield clause.end()
                return
    yield gap.end()
    if label.is_plural:
        yield from _list_after(value, gap, bare)


def _list_after(value: re.Match[str], gap: re.Match[str], bare: str) -> Iterator[int]:
    current: re.Match[str] | None = value
    while current:
        step = _LIST_GAP.match(bare, current.end(), current.end() + _LONGEST_GAP)
        current = TOKEN.match(bare, step.end()) if step else None
        if step is None or current is None or not _has_digit(current[0]):
            return
        if step[0].count("\n") > 1 or ("\n" in step[0] and "\n" not in gap[0]):
            return
        if not FOLLOWS.match(bare, current.end()):
            return
        yield current.start()


def _reaches(label: _Label, gap: str, bare: str, value: re.Match[str]) -> bool:
    """Tell whether a label reaches across a line break: from the end of a form field or a line of its own.

    "I lost the tag" and a telephone number in the next line have nothing to do with each other, nor
    have a field that was left empty and the next paragraph.
    """
    lines = gap.count("\n")
    if lines == 0:
        return True
    if lines > 1:
        return False
    start = bare.rfind("\n", max(0, label.start - 200), label.start) + 1
    line = bare[start : label.start]
    is_field = gap.lstrip(" \t*\"'").startswith((":", "="))
    if not is_field and re.search(r"[\w\t|]", line):
        return False
    return FOLLOWS.match(bare, value.end()) is not None


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
