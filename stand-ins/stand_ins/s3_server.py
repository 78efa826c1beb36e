"""The program that answers as S3: run by the Python of the environment `stand-in-s3`, never imported.

It writes its port into a file, and ends when its standard input does: when whoever started it stops it, or dies.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DENIED = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Refused</Message></Error>'


class Refusing:
    """Answers 403 to requests that match the regular expression in a file, and passes all others on.

    Args:
        application: what answers the others, as WSGI has it.
        pattern_file: with the expression, matched against `METHOD path?query`; nothing is refused without the file.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], pattern_file: Path) -> None:
        self.application = application
        self.pattern_file = pattern_file

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        if self.pattern_file.exists() and re.match(self.pattern_file.read_text(), asked):
            # An unread body would be taken for the next request of the connection.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(DENIED)))])
            return [DENIED]
        return self.application(environ, start_response)


def main(folder: Path, port: int) -> None:
    """Serve on a port of 127.0.0.1, 0 for a free one, until standard input ends."""
    from moto.moto_server.werkzeug_app import (  # type: ignore[import-not-found]  # noqa: PLC0415 - its own environment
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # type: ignore[import-not-found]  # noqa: PLC0415 - its own environment

    application = Refusing(DomainDispatcherApplication(create_backend_app), folder / "refuse")
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    unready = folder / "port.part"
    unready.write_text(str(server.server_port))
    unready.replace(folder / "port")
    sys.stdin.read()
    # Requests that hang must not keep it alive.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
