"""The S3 server process, run by the Python of the environment `stand-in-s3` and never imported.

It writes its port to a file and ends when its standard input does, that is, when the process that started it closes it
or dies.
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
    """WSGI middleware that responds with 403 to requests that match the regular expression in a file.

    Args:
        application: The WSGI application that answers all other requests.
        pattern_file: File with the expression, matched against `METHOD path?query`; without the file nothing is
            refused.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], pattern_file: Path) -> None:
        self.application = application
        self.pattern_file = pattern_file

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Respond to a WSGI request."""
        target = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        if self.pattern_file.exists() and re.match(self.pattern_file.read_text(), target):
            # Read the body, or it would be taken for the next request on the connection.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(DENIED)))])
            return [DENIED]
        return self.application(environ, start_response)


def main(folder: Path, port: int) -> None:
    """Serve on a port of 127.0.0.1 (0 = any free port) until standard input ends."""
    from moto.moto_server.werkzeug_app import (  # type: ignore[import-not-found]  # noqa: PLC0415 - its own environment
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # type: ignore[import-not-found]  # noqa: PLC0415 - its own environment

    application = Refusing(DomainDispatcherApplication(create_backend_app), folder / "refuse")
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    partial = folder / "port.part"
    partial.write_text(str(server.server_port))
    partial.replace(folder / "port")
    sys.stdin.read()
    # Do not wait for hanging requests.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
