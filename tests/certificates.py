"""Certificates for tests: a private authority, and servers' contexts signed by it."""

import ssl
from pathlib import Path

import trustme


def server_tls(authority_file: Path, *hosts: str) -> ssl.SSLContext:
    """Make a server's context, and write the authority that signed it to a file clients can trust.

    Args:
        authority_file: Where the authority's certificate goes.
        hosts: Names and addresses that the server's certificate is valid for.

    Returns:
        The context.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(authority_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context
