"""Names of machines that are also everyday words.

Belongs here: product names, technical terms and ordinary compounds that some record bears as its
name. Does not: what the text around them says (`labels`, `contexts`).
"""

import re
from enum import Enum
from functools import lru_cache

_MAKER = (
    "(?:APPLE|DELL|HP|HPE|LENOVO|IBM|ACER|ASUS|MICROSOFT|SAMSUNG|GOOGLE|TOSHIBA|FUJITSU|SONY|MSI|CISCO|CANON"
    "|EPSON|BROTHER|XEROX)"
)
_FAMILY = (
    "(?:MACBOOK|MACMINI|MACPRO|MACSTUDIO|IMAC|IPHONE|IPAD|IPOD|LATITUDE|OPTIPLEX|PRECISION|INSPIRON"
    "|VOSTRO|ALIENWARE|XPS|THINKPAD|THINKCENTRE|THINKCENTER|THINKSTATION|THINKBOOK|IDEAPAD|IDEACENTRE|YOGA"
    "|LEGION|ELITEBOOK|ELITEDESK|ELITEONE|PROBOOK|PRODESK|PROONE|PAVILION|ENVY|SPECTRE|OMEN|ZBOOK|ZENBOOK"
    "|VIVOBOOK|SURFACE|CHROMEBOOK|CHROMEBOX|ASPIRE|TRAVELMATE|LIFEBOOK|TOUGHBOOK|PORTEGE|TECRA|SATELLITE"
    "|POWEREDGE|PROLIANT|GALAXY|PIXEL|LASERJET|OFFICEJET|DESKJET|SURFACEHUB|RASPBERRYPI|NUC)"
)
_SUFFIX = (
    "(?:PRO|AIR|MINI|MAX|PLUS|ULTRA|SE|GO|BOOK|LAPTOP|DESKTOP|STUDIO|HUB|TAB|NOTE|FOLD|CARBON|NANO|TOWER|MICRO"
    "|SFF|MT|USDT|AIO|GEN|INCH|RETINA|TOUCH|2-?IN-?1|[A-Z]?[0-9]{1,2}[A-Z]?(?![0-9])"
    "|[0-9]{3,4}[A-Z]?(?![0-9]))"
)
_PRODUCT = re.compile(
    rf"(?:{_MAKER}[-_])?{_FAMILY}(?:[-_]?{_SUFFIX}(?![A-Z0-9]{{5}})){{0,4}}(?:\.(?:LOCAL|LOCALDOMAIN|LAN|HOME))?"
    # With a number alone it is rather a naming scheme's prefix: MAC-104508.
    r"|MAC(?:[-_]?(?:PRO|MINI|STUDIO|BOOK|AIR|OS)(?:[-_]?[0-9]{1,2})?)?"
    rf"|{_MAKER}(?:[-_](?:PC|LAPTOP|DESKTOP|[A-Z]{{0,2}}[0-9]{{2,4}}[A-Z]?))?(?:[-_]G[0-9]{{1,2}})?"
)
_LONGEST_PRODUCT = 40

_DEFAULT_NAME = re.compile(
    r"LOCALHOST[0-9]?(?:\.LOCALDOMAIN[0-9]?|\.LOCAL)?"
    r"|(?:MY|NEW|OLD|USER|ADMIN|DEFAULT|WINDOWS|WIN|HOME|WORK)?-?(?:PC|COMPUTER|LAPTOP|DESKTOP|NOTEBOOK"
    r"|WORKSTATION|SERVER|HOST|MACHINE|PRINTER|PHONE|TABLET|UBUNTU|DEBIAN|RASPBERRYPI)-?[0-9]?"
)

_TERM = re.compile(
    r"(?:USB|TYPE|HDMI|DVI|VGA|RJ|CAT|COM|LPT|PS|WPA|WEP|IP|TCP|UDP|HTTP|HTTPS|TLS|SSL|SSH|SMB|NFS|ISO|RAID|DDR|LTE"
    r"|DOCSIS|COVID|SARS|COV|BLUETOOTH|BT|WI-?FI|OAUTH|SHA|MD|AES|RSA|BASE|PCI|NVME|SATA|LEVEL|TIER|STEP|PHASE|VERSION"
    r"|REV|ROUND|PART|SECTION|CHAPTER|WEEK|DAY|TOP|NUMBER|EXCHANGE|ADOBE|ACROBAT|CREATIVE|H|UTF)-(?:[0-9]{1,3}[A-Z]?|[A-C])"
    r"|(?:IPV|MP|UTF|WINDOWS|WIN|OFFICE|MICROSOFT|MACOS|OSX|IOS|ANDROID|UBUNTU|PYTHON|MATLAB|SPSS|STATA|SHAREPOINT)-?[0-9]{1,4}[A-Z]?"
    r"|[0-9]{1,4}-(?:BIT|PIN|INCH|PORT|WAY|DAY|YEAR|HOUR|MINUTE|WEEK|STEP|FACTOR|GHZ|GB|TB|MB|D|G)|24[-/]7"
)

# Parts of English compounds: none of them is part of a naming scheme of letters only.
_PARTICLE = frozenset(
    """
    a add after all and anti as at auto back be based best bi bio brand by check co cross custom cut day de
    dial do down drop dual e ex extra face far fast fi first five follow for four free friendly full get go
    half hand hard head here high hot how i in inter intra key kick last late less let level life like line
    listed log long look low made mail main make mid mis more multi must near net new next no non not now of
    off old on one only open out over paper pass part person plug poor pop post pre pro quick quality re read
    ready real red related round run second self semi service set shared short side sign single site six slow
    so soft stand start state step still stop sub super take tech test the third this three time to top touch
    tri trouble turn two ultra un under up upper use user very walk web well what wi wide work world write x
    year zero
    """.split()  # noqa: SIM905  a list with a word a line would fill a screen
)


# Mails repeat their words, and so do tickets.
_REMEMBERED = 4096


class Everyday(Enum):
    """How much it takes for a name to be meant as a name.

    Attributes:
        NO: It is a name wherever it stands.
        COMPOUND: A compound in small letters: a word for a computer next to it is enough.
        YES: A product or a common word: only a label counts, or that the requestor owns the machine.
    """

    NO = 0
    COMPOUND = 1
    YES = 2


@lru_cache(_REMEMBERED)
def everyday(token: str) -> Everyday:
    """Judge a token by its form: whether people write it without thinking of one machine."""
    key = token.upper()
    if _is_term(key):
        return Everyday.YES
    parts = [part for part in token.replace("_", "-").split("-") if part]
    if len(parts) == 1 or not parts or "_" in token or not all(part.isalpha() for part in parts):
        return Everyday.NO
    particles = sum(part.lower() in _PARTICLE for part in parts)
    if token.isupper():
        return Everyday.YES if particles == len(parts) else Everyday.NO
    if any(len(part) > 1 and not part[1:].islower() for part in parts):
        return Everyday.NO
    return Everyday.YES if particles else Everyday.COMPOUND


def _is_term(key: str) -> bool:
    if _DEFAULT_NAME.fullmatch(key) or _TERM.fullmatch(key):
        return True
    return len(key) <= _LONGEST_PRODUCT and _PRODUCT.fullmatch(key) is not None
