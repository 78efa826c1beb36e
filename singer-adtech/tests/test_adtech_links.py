"""Links that are capabilities: hidden while they may turn up in a log, and forgotten after."""

from __future__ import annotations

import threading

from singer_adtech.http.links import HiddenLinks
from singer_adtech.redaction import MASK, REDACTOR


def test_a_link_is_hidden_as_a_path_an_address_and_by_its_last_part() -> None:
    # given
    links = HiddenLinks()
    links.hide("/hl0fserktnim")
    links.hide("https://files.example/export/signed-123?sig=a%2Bb")
    # then
    text = "GET /hl0fserktnim, Link [hl0fserktnim] not found, GET /export/signed-123?sig=a%2Bb"
    assert REDACTOR.scrub(text) == f"GET {MASK}, Link [{MASK}] not found, GET {MASK}"


def test_only_the_newest_stay_hidden() -> None:
    # given: three links, of which the first came again
    links = HiddenLinks(most=2)
    for link in ("/link-one", "/link-two", "/link-one", "/link-three"):
        links.hide(link)
    # then
    assert REDACTOR.scrub("link-one link-two link-three") == f"{MASK} link-two {MASK}"


def test_several_threads_may_hide_links() -> None:
    # given
    links = HiddenLinks(most=20)

    def hide(number: int) -> None:
        for place in range(50):
            links.hide(f"/link-{number}-{place}")

    threads = [threading.Thread(target=hide, args=(number,)) for number in range(4)]
    # when
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then: as many are hidden as may be
    text = " ".join(f"link-{number}-{m}." for number in range(4) for m in range(50))
    assert REDACTOR.scrub(text).count(MASK) == 20
