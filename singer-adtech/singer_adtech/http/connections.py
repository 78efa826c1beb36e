"""Connection failures: a message without the full URL, and whether a retry may help."""

from __future__ import annotations

import os
import re
import socket
import ssl
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, TypeVar

import requests
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from singer_adtech.errors import NoConnectionError, TapError, shorten
from singer_adtech.http.addresses import shown_host, shown_origin
from singer_adtech.http.downloads import SlowBodyError
from singer_adtech.http.retries import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

E = TypeVar("E", bound=BaseException)

BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})([ \w-]*)")
_SERVER_ERRORS = 500
_BROKEN: Mapping[type[Exception], str] = {
    requests.exceptions.ChunkedEncodingError: "was cut off",
    requests.exceptions.ContentDecodingError: "could not be decompressed",
}
_CHECK = "check `api_url` and the network of this machine"


class UnknownNameError(TransientError):
    """A host name that does not resolve: usually a typo if no request has succeeded yet."""


class ProxyRefusedError(TransientError):
    """A proxy that is unreachable: usually a wrong setting if no request has succeeded yet."""


def explain_failure(
    error: Exception, url: str, *, proxy: str | None, timeout: tuple[float, float]
) -> TapError | TransientError:
    """Explain why a response is missing or incomplete.

    Args:
        error: The error from requests or the operating system.
        url: The requested URL. The message only contains its host.
        proxy: The URL of the proxy, if any.
        timeout: Seconds to wait for a connection and for a response.

    Returns:
        A `TransientError` if a retry may help, else a `NoConnectionError`.
    """
    host = shown_host(url)
    causes = [*_causes(error)]
    bundle = next((name for name in BUNDLE_VARIABLES if os.environ.get(name)), None)
    untrusted = _first(causes, ssl.SSLCertVerificationError)
    if untrusted is not None:
        why = shorten(untrusted.verify_message or "it cannot be verified", 120)
        return NoConnectionError(
            f"the certificate of {host} is not trusted ({why})",
            f"check `api_url` and the bundle in {bundle}"
            if bundle
            else "check `api_url`; if a company proxy or authority signs certificates, set REQUESTS_CA_BUNDLE "
            "to its bundle",
        )
    if bundle and _is_about_bundle(error, causes):
        return NoConnectionError(f"the certificate bundle in {bundle} cannot be read", f"correct or unset {bundle}")
    if proxy is not None and (_first(causes, requests.exceptions.ProxyError) or _is_proxy_setting(error)):
        return _explain_proxy(error, causes, proxy, host)
    if isinstance(error, ValueError):
        # From requests or http.client. The message quotes the invalid value.
        return NoConnectionError(
            f"the request to {host} could not be made",
            "check the settings: a credential or an address may contain an invalid character",
        )
    return _known_failure(error, causes, host, timeout) or TransientError(
        f"no connection to {host}: {_cause(causes)}", remedy=f"{_CHECK}, or try again later"
    )


def _explain_proxy(error: Exception, causes: list[BaseException], proxy: str, host: str) -> TapError | TransientError:
    try:
        name = shown_origin(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        name = "(invalid address)"
    remedy = f"check HTTPS_PROXY, or add {host.partition(':')[0]} to NO_PROXY"
    refusal = next((found for cause in causes if (found := _TUNNEL.search(str(cause)))), None)
    if refusal is not None:
        what = f"the proxy {name} refused to connect to {host}: {refusal[1]}{refusal[2].rstrip()}"
        if int(refusal[1]) >= _SERVER_ERRORS:
            return TransientError(what, remedy=remedy)
        return NoConnectionError(what, remedy)
    if _is_proxy_setting(error):
        return NoConnectionError(f"the proxy {name} cannot be used", remedy)
    return ProxyRefusedError(f"no connection to the proxy {name}: {_cause(causes)}", remedy=remedy)


def _known_failure(
    error: Exception, causes: list[BaseException], host: str, timeout: tuple[float, float]
) -> TransientError | None:
    """Return a specific error for a known kind of failure, else None."""
    to_connect, to_answer = timeout
    broken = next((words for kind, words in _BROKEN.items() if isinstance(error, kind)), None)
    if broken is not None:
        return TransientError(f"the response from {host} {broken}")
    if isinstance(error, SlowBodyError):
        return TransientError(str(error), remedy="request less at a time, or raise `request_timeout`")
    known: TransientError | None = None
    if _first(causes, socket.gaierror, NameResolutionError):
        known = UnknownNameError(f"no connection to {host}: unknown host name", remedy=_CHECK)
    elif _timed_out(causes):
        known = TransientError(f"no connection to {host} within {to_connect:g} s", remedy=_CHECK)
    elif _first(causes, requests.exceptions.Timeout, TimeoutError):
        remedy = "try again later, request less at a time, or raise `request_timeout`"
        known = TransientError(f"no response from {host} within {to_answer:g} s", remedy=remedy)
    elif _first(causes, RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        known = TransientError(f"{host} closed the connection before responding")
    return known


def _cause(causes: list[BaseException]) -> str:
    """Describe the innermost cause in terms a user knows."""
    if _first(causes, socket.gaierror, NameResolutionError):
        return "unknown host name"
    if _first(causes, ConnectionRefusedError):
        return "connection refused"
    if _timed_out(causes) or _first(causes, TimeoutError):
        return "timed out"
    if _first(causes, RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        return "it closed the connection"
    insecure = _first(causes, ssl.SSLError)
    if insecure is not None:
        return f"no secure connection ({(insecure.reason or 'TLS failed').replace('_', ' ').lower()})"
    # Errors from requests are also OSErrors, but without `strerror`.
    text = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return text.lower() if text else "the response is not HTTP"


def _timed_out(causes: list[BaseException]) -> bool:
    """Return whether connecting timed out. In urllib3, `NewConnectionError` is a subclass of the timeout error."""
    return any(
        isinstance(cause, (ConnectTimeoutError, requests.exceptions.ConnectTimeout))
        and not isinstance(cause, NewConnectionError)
        for cause in causes
    )


def _is_about_bundle(error: Exception, causes: list[BaseException]) -> bool:
    # requests raises a bare OSError if the file is missing.
    missing = not isinstance(error, requests.exceptions.RequestException) and "certificate bundle" in str(error)
    unreadable = _first(causes, ssl.SSLError)
    return missing or (unreadable is not None and unreadable.reason in {"NO_CERTIFICATE_OR_CRL_FOUND", "PEM_LIB"})


def _is_proxy_setting(error: Exception) -> bool:
    # The URL of the request was already validated.
    return isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema))


def _first(causes: list[BaseException], *kinds: type[E]) -> E | None:
    return next((cause for cause in causes if isinstance(cause, kinds)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, including those in arguments and attributes."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inside = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [other for other in inside if isinstance(other, BaseException)]
