"""One table for status codes: the library's, with a vendor's remedies, error classes and words."""

from __future__ import annotations

import pytest
import requests
from singer_adtech.errors import AuthError, ForbiddenError, NotFoundError, VendorError
from singer_adtech.fetching.jobs import JobLostError
from singer_adtech.http.responses import check_status
from singer_adtech.http.retries import RateLimitedError, TransientError


def response(status: int, body: bytes = b"") -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body  # noqa: SLF001 - a response that was read
    return made


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (300, VendorError, "HTTP 300: check `api_url`"),
        (399, VendorError, "HTTP 399: check `api_url`"),
        (400, VendorError, "HTTP 400: check the settings"),
        (401, AuthError, "HTTP 401: check the credentials"),
        (403, ForbiddenError, "HTTP 403: no access: ask the vendor for it"),
        (404, NotFoundError, "HTTP 404: check `api_url`, or deselect the stream"),
        (407, VendorError, "HTTP 407: check the credentials of the proxy in HTTP_PROXY"),
        (429, RateLimitedError, "HTTP 429"),
        (499, VendorError, "HTTP 499: check the settings"),
        (500, TransientError, "HTTP 500"),
        (599, TransientError, "HTTP 599"),
    ],
)
def test_each_status_has_an_error_and_a_remedy(status: int, kind: type[VendorError], message: str) -> None:
    # when
    with pytest.raises(kind) as caught:
        check_status(response(status))
    # then
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_a_vendor_gives_remedies_error_classes_and_words() -> None:
    # when
    with pytest.raises(JobLostError) as caught:
        check_status(
            response(404, b"gone"),
            remedies={404: "run again later"},
            errors={404: JobLostError},
            words=lambda refused: refused.text.upper(),
        )
    # then
    assert str(caught.value) == 'HTTP 404 "GONE": run again later'


def test_a_vendor_without_words_leaves_them_to_the_library() -> None:
    with pytest.raises(VendorError, match='HTTP 409 "busy": check the settings'):
        check_status(response(409, b'{"message": "busy"}'), words=lambda _: None)


@pytest.mark.parametrize("status", [200, 299])
def test_the_body_of_a_success_is_not_searched_for_words(status: int) -> None:
    def words(_: requests.Response) -> str:
        raise AssertionError

    check_status(response(status), words=words)
