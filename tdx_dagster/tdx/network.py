"""What the environment says about the way to TDX, and which setting is at fault where there is no way.

Belongs here: proxies, certificate authorities, and telling a setting's fault from one that passes by itself.
Does not: sending (`http`). No text shows the value of a setting: a proxy's may hold a password.
"""

import os
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3

# In this order; the first two are those of requests, the third is OpenSSL's own.
CA_SETTINGS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "record layer failure", "HTTP_REQUEST")
# The first bytes of TLS's own error message, which an https port sends to whoever speaks plain http.
TLS_ALERT = "\\x15\\x03"

_MALFORMED_PROXY = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.LocationValueError,
)


class SettingFault(ValueError):
    """A setting of the environment cannot be used; the text names it and what to do."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def ca_bundle() -> str | None:
    """Give the file or folder of certificate authorities that the environment names; None for the usual ones.

    Raises:
        SettingFault: It is not there, or holds no certificate in PEM form.
    """
    name = next((name for name in CA_SETTINGS if os.environ.get(name)), None)
    if name is None:
        return None
    path = Path(os.environ[name])
    if path.is_dir():
        return str(path)
    if not path.is_file():
        raise SettingFault(
            f"{name} names a file that is not there ({path}). Set it to the authority's "
            "certificate in PEM form, or unset it."
        )
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise SettingFault(
            f"{name} names a file without a readable certificate in PEM form ({path}). Set it to the "
            "authority's certificate, or unset it."
        ) from None
    return str(path)


def proxy_setting(url: str) -> str | None:
    """Give the name of the setting whose proxy is used for a URL; None where none is."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or requests.utils.should_bypass_proxies(url, None):
        return None
    for stem in (f"{parts.scheme}_proxy", "all_proxy"):
        for name in (stem, stem.upper()):
            if os.environ.get(name):
                return name
    return None


def setting_at_fault(error: Exception, url: str) -> str | None:
    """Say which setting makes a request fail whenever it is sent; None where it may work later.

    Args:
        error: Of requests or urllib3.
        url: What was asked for.
    """
    text = " ".join(f"{type(one).__name__} {one!r}" for one in _causes(error))
    host, proxy = urlsplit(url).netloc, proxy_setting(url)
    if isinstance(error, requests.exceptions.ProxyError) and proxy:
        return _proxy_fault(text, host, proxy)
    if isinstance(error, _MALFORMED_PROXY) and proxy:
        return (
            f"{proxy} is malformed or of a kind that cannot be used. It should look like "
            "http://proxy.example.edu:3128."
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"The certificate of {host} is not trusted ({reason_of(error)}). See that TDX_BASE_URL "
            "is right; for a private authority set REQUESTS_CA_BUNDLE."
        )
    if any(sign in text for sign in NO_TLS):
        return f"{host} answers, but not with TLS. See that the host and the port of TDX_BASE_URL are right."
    if TLS_ALERT in text:
        return f"{host} wants TLS. TDX_BASE_URL has to begin with https://."
    return None


def _proxy_fault(text: str, host: str, proxy: str) -> str | None:
    if "407" in text:
        return sign_in_wanted(proxy)
    if "Tunnel connection failed: 5" in text:
        return None
    if "Tunnel connection failed" in text:
        return (
            f"The proxy of {proxy} refuses to connect to {host}. See that {proxy} and TDX_BASE_URL are "
            "right; a host that needs no proxy belongs into NO_PROXY."
        )
    return (
        f"The proxy of {proxy} cannot be reached. Set {proxy} to the right one, or unset it; a host "
        "that needs no proxy belongs into NO_PROXY."
    )


def sign_in_wanted(proxy: str | None) -> str:
    """Say what to do about a proxy that answers 407."""
    name = proxy or "HTTPS_PROXY"
    return (
        f"The proxy of {name} does not accept its user and password, or wants some (407). Set {name} "
        "to http://<user>:<password>@<proxy>:<port>."
    )


def reason_of(error: BaseException) -> str:
    """Give the innermost cause in a few words: requests wraps it in several layers of repr."""
    *_, inner = _causes(error)
    return " ".join(f"{type(inner).__name__}: {inner}".split())[:300]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what it wraps, down to the innermost."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        deeper = getattr(inner, "reason", None) or getattr(inner, "original_error", None)
        if not isinstance(deeper, BaseException):
            deeper = next((a for a in inner.args if isinstance(a, BaseException)), None)
        inner = deeper
