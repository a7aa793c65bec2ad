"""Mentions of a token that mean something else than a computer.

Belongs here: rooms, lists and other things that are named as such, examples, servers and users in
the output of tools, contact lines of signatures. Does not: labels of computers (`labels`).
"""

# ruff: noqa: E501, RUF001  the expressions list words, among them such signs, as people write them

import re
from collections import deque
from collections.abc import Iterator
from itertools import islice

from tdx_dagster.discovery.beginnings import begins_with, lowered
from tdx_dagster.discovery.tokens import TOKEN

# Words right before a token that say what it is. After these a token of any shape is no computer.
_KIND = (
    r"(?:extension|ext|durchwahl|anexo|fax|telephone|tel|phone|jack|outlet|data[ ]port|wall[ ]port"
    r"|network[ ]port|switch[ ]?port|netzwerkdose|dose|prise|part(?:[ ](?:number|num|no|nr)\b\.?)"
    r"|p/n|pn|mac[ ](?:address|adresse)|mtm|machine[ ]type|model(?:[ ](?:number|name|no)\b\.?)?|modell|modèle|modelo"
    r"|course|courses|class|kurs|vorlesung|cours|curso|catalog[ ](?:number|no)\b\.?|grant|po[ ](?:number|no)|purchase[ ]order"
    r"|quote|invoice|order|order[ ](?:number|no)\b\.?|rechnung|bestellung|facture|factura|chart[ ]?field|short[ ]?code|account"
    r"|vlan|ssid|wi-?fi[ ]name|network[ ]name|subnet|mailing[ ]lists?|distribution[ ]lists?|listserv|e?-?mail[ ]group"
    r"|security[ ]group|ad[ ]group|group|calendar|mailbox|shared[ ]mailbox|channel|template|policy|gpo|collection"
    r"|conference[ ]room|meeting[ ]room|print[ ]queue|user[ ]?name|user[ ]?id|uniqname|login[ ]name|badge"
    r"|folder|ordner|dossier|carpeta|file|datei|fichier|archivo|branch|commit|tracking[ ](?:number|no)|express[ ]service[ ]code)"
)
# After these only what looks like a room is one: in "my office PSYC-ZLAB08 is slow" it is not.
_PLACE = (
    r"(?:room|rm|office|suite|ste|cubicle|cube|cubby|building|bldg|hall|floor|lab[ ]room|classroom|auditorium"
    r"|raum|zimmer|büro|buero|hörsaal|gebäude|salle|bureau|bâtiment|sala|aula|oficina|despacho|edificio|kamer"
    r"|locker|mailstop|closet|located[ ]in|location|standort|jack|port|drop)"
)
_JOIN = r"(?:[ \t]*[:=#.(\"'“„]|[ \t]+(?:is|no\.?|number|nr\.?|numbers?|called)\b)*[ \t]*"
# What these begin with, for `lowered` texts.
_BEGINNINGS = begins_with(
    """
    ext durchwahl anexo fax tel phone jack outlet data wall network switch netz dose prise part p/n pn mac mtm
    machine model modèl course class kurs vorlesung cours curso catalog grant po purchase quote invoice order
    rechnung bestellung factur chart short account vlan ssid wi subnet mailing distribution listserv email e-mail
    mail security ad group calendar mailbox shared channel template policy gpo collection conference meeting print
    user uniqname login badge folder ordner dossier carpeta file datei fichier archivo branch commit tracking
    express
    room rm office suite ste cub building bldg hall floor lab classroom auditorium raum zimmer büro buero hörsaal
    gebäude salle bureau bâtiment sala aula oficina despacho edificio kamer locker mailstop closet located
    location standort port drop
    """
)
_BEFORE = re.compile(
    rf"\b(?<!-){_BEGINNINGS}(?:(?P<kind>{_KIND}s?)|(?P<place>{_PLACE}s?)){_JOIN}(?=\w)",
)
_HEAD = re.compile(rf"(?:{_KIND}|{_PLACE}|contact|cost[ ]cent(?:er|re))s?", re.IGNORECASE)

_ROOM = re.compile(r"[A-Za-z]{0,5}-?[0-9]{1,5}[A-Za-z]?|[0-9]{1,2}-[0-9]{3,5}|[A-Za-z]-[0-9]{1,4}")
_EXTENSION = re.compile(r"[xX][0-9]{3,6}")

# Words right after a token that say what it is, of several tokens where they stand in the plural.
_AFTER = re.compile(
    r"""
    [\"'”’)]?[ \t]*[\[(,]?[ \t]*
    (?: (?:mailing|distribution|e?-?mail|contact|google|security|ad|m365|teams)[ ](?:list|group|channel)
      | mailing-?list | listserv | list | mailbox | shared[ ]mailbox | calendar | channel | vlan | ssid
      | (?:conference|meeting|class)[ ]?room | course | class | print[ ]queue | room | raum | verteiler(?:liste)?
      | liste[ ]de[ ]diffusion | lista[ ]de[ ](?:correo|distribuci[oó]n) | security[ ]group | user[ ]group | group
    ) (?P<plural>s|es|n)? (?![\w-])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BETWEEN = re.compile(r"[ \t]*(?:,|&|/|\band\b|\bor\b|\bund\b|\bet\b|\by\b)[ \t]*")

_EXAMPLE_BEGINNINGS = begins_with(
    "e. eg. ex. example exemple ejemplo for format such look something in z. zum beispiel par por p."
)
_EXAMPLE = re.compile(
    rf"\b(?<!-){_EXAMPLE_BEGINNINGS}(?:e\.\s?g\.|eg\.|for[ ]example|for[ ]instance|such[ ]as|looks?[ ]like|something[ ]like|in[ ]the[ ](?:form|format)(?:[ ]of)?"
    r"|z\.\s?b\.|zum[ ]beispiel|beispiel|par[ ]exemple|p\.\s?ex\.|por[ ]ejemplo|p\.\s?ej\.|ex\.|format|example|exemple|ejemplo)"
    r"[ \t,:\"'“„(\[]*",
)
_MARKED_EXAMPLE = re.compile(r"(?:example|beispiel|exemple|ejemplo|format)[ \t]*:", re.IGNORECASE)
# An example of a name stands where a name is asked for.
_ASKED_FOR = re.compile(
    r"\b(?:name[sd]?|hostnames?|tags?|serials?|sticker|label|labelled|identifier|number|enter|provide|format|called"
    r"|decal|(?:rechner|geräte|computer)?namen?|aufkleber|kennung|nummer|seriennummer|inventarnummer|nom|étiquette|numéro|nombre"
    r"|etiqueta|número)\b",
    re.IGNORECASE,
)
_SENTENCE = 200
_EXAMPLE_LIST = re.compile(
    r"[ \t]*(?:,|/|\bor\b|\band\b|\boder\b|\bund\b|\bou\b|\bo\b|[\"'”“])[ \t\"'“”]*(?:\b(?:or|and)\b[ \t]*)?"
)

# Lines in which tools name the servers and users that took part.
_TOOL_LINE = re.compile(
    r"""
    ^[>| \t]{0,20} (?=\w)
    (?: (?: [\w.-]+[ ]){0,3}?
        (?: (?:logon|log[ ]?on|site|dns|dhcp|print|licen[sc]e|wins|time|ntp|mail|smtp|imap|proxy|management|update
              |wsus|kms|radius|backup|authentication|auth|name|primary|secondary|certificate|policy|deployment
              |distribution|relay|mdm|jamf|sccm|database|sql|web|terminal|source)[ _-]?(?:servers?|point)
          | logonserver | nameserver | domain[ ]controllers? | domain | dc | gateway\w* | default[ ]gateway | proxy
          | collection | distribution[ ]point | management[ ]point | user[ _-]?name | userdomain | user | account(?:[ ]name)?
          | logged[ ]on[ ]user | workgroup | site(?:[ ]code)? | (?:security|ad)[ ]group | (?:connection-specific|primary)[ ]dns[ ]suffix
          | scanner | sensor | collector | agent[ ]server | reported[ ]by | sent[ ]by | relay | client[ ]site
        )
        [ \t.]*[:=]
      | server:(?=[^\n]*\n[>| \t]*address(?:es)?:)
      | (?:logonserver|userdomain|username)= | \w*gateway\w*:s: | username:s: )
    (?P<value>[^\n]*)
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)

_MOST_WORDS_OF_A_VALUE = 3

_CONTACT_SIGNS = "|•·∙/"
_CONTACT_BORDER = re.compile(rf"\s[{_CONTACT_SIGNS}]\s|\|")
_CONTACT = re.compile(
    r"(?<!\w)(?:[xX]\d{3,6}|ext\.?[ ]?\d|(?:\(?\d{3}\)?[ .-]?)?\d{3}[.-]\d{4}|\+\d[\d ()-]{7,}|\w[\w.+-]*@[\w-]+\.\w"
    r"|phone|fax|mobile|cell|tel\.?|office|\x1a{6,})",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^--[ ]?$", re.MULTILINE)
_LONGEST_SIGNATURE = 600
_MOST_SIGNATURES = 5
_LONGEST_LINE = 500

_COMPUTER_WORD = (
    r"(?:computer|pc|laptop|machine|workstation|desktop|host|server|mac|imac|kiosk|rechner|notebook|client|node"
    r"|ordinateur|poste|portable|equipo|ordenador|computadora|gerät|box|vm)"
)
_COMPUTER_BEFORE = re.compile(
    rf"(?<![\w-]){_COMPUTER_WORD}(?:'s)?[ \t]*[:=\"'“(]?[ \t]*$", re.IGNORECASE
)
_COMPUTER_AFTER = re.compile(rf"[\"'”]?[ \t]{{1,2}}{_COMPUTER_WORD}(?![\w-])", re.IGNORECASE)


def names_other_kind(head: str) -> bool:
    """Tell whether the head of a column names another kind of thing than a computer."""
    return _HEAD.fullmatch(head) is not None


def is_called_computer(text: str, start: int, end: int) -> bool:
    """Tell whether a word for a computer stands right next to a token."""
    return bool(
        _COMPUTER_AFTER.match(text, end) or _COMPUTER_BEFORE.search(text, max(0, start - 30), start)
    )


def other_mentions(text: str) -> set[int]:
    """Find where tokens begin that name something else than a computer in that place."""
    found: set[int] = set()
    low = lowered(text)
    found.update(_named_before(text, low))
    found.update(_examples(text, low))
    found.update(_in_tool_lines(text))
    found.update(_in_signatures(text))
    return found


def tokens_before_plural(text: str, tokens: list[re.Match[str]], odd: list[int]) -> Iterator[int]:
    """Find the tokens of lists that words after them call something else: "a and b (mailing lists)".

    Args:
        text: Where they stand.
        tokens: All of its tokens.
        odd: Which of them are no plain words.
    """
    for number in odd:
        token = tokens[number]
        if token[0].isalpha():
            continue
        after = _AFTER.match(text, token.end())
        if after is None:
            continue
        yield token.start()
        back = number
        while after["plural"] and back > 0:
            before = tokens[back - 1]
            skip = 1
            if before[0].lower() in ("and", "or", "und", "et", "y") and back > 1:
                before, skip = tokens[back - 2], 2
            if not _BETWEEN.fullmatch(text, before.end(), tokens[back].start()):
                break
            yield before.start()
            back -= skip


def _named_before(text: str, low: str) -> Iterator[int]:
    for found in _BEFORE.finditer(low):
        token = TOKEN.match(text, found.end())
        if token is not None and (found["kind"] or _ROOM.fullmatch(token[0])):
            yield token.start()


def _examples(text: str, low: str) -> Iterator[int]:
    for found in _EXAMPLE.finditer(low):
        nearest = max(0, found.start() - _SENTENCE)
        start = max(text.rfind("\n\n", nearest, found.start()) + 1, nearest)
        asked = _MARKED_EXAMPLE.match(found[0]) or _ASKED_FOR.search(text, start, found.start())
        if not asked:
            continue
        token = TOKEN.match(text, found.end())
        for _ in range(5):
            if token is None:
                break
            yield token.start()
            step = _EXAMPLE_LIST.match(text, token.end())
            token = TOKEN.match(text, step.end()) if step else None


def _in_tool_lines(text: str) -> Iterator[int]:
    if ":" not in text and "=" not in text:
        return
    for found in _TOOL_LINE.finditer(text):
        start, end = found.start("value"), min(found.end("value"), found.start("value") + 300)
        for token in islice(TOKEN.finditer(text, start, end), _MOST_WORDS_OF_A_VALUE):
            yield token.start()


def _in_signatures(text: str) -> Iterator[int]:
    marks = _SIGNATURE.finditer(text) if "--" in text else ()
    for mark in deque(marks, maxlen=_MOST_SIGNATURES):
        for token in TOKEN.finditer(
            text, mark.end(), min(len(text), mark.end() + _LONGEST_SIGNATURE)
        ):
            if _ROOM.fullmatch(token[0]) or _EXTENSION.fullmatch(token[0]):
                yield token.start()
    start = 0
    for line in text.split("\n") if any(sign in text for sign in _CONTACT_SIGNS) else ():
        if len(line) <= _LONGEST_LINE and _CONTACT_BORDER.search(line):
            fields = _CONTACT_BORDER.split(line)
            if len(fields) > 1 and sum(1 for field in fields if _CONTACT.search(field)) >= min(
                2, len(fields)
            ):
                for token in TOKEN.finditer(text, start, start + len(line)):
                    if _ROOM.fullmatch(token[0]) or _EXTENSION.fullmatch(token[0]):
                        yield token.start()
        start += len(line) + 1


def is_extension(token: str) -> bool:
    """Tell whether a token is a telephone extension by its form."""
    return _EXTENSION.fullmatch(token) is not None
