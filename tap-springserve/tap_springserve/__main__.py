"""`python -m tap_springserve` runs `tap-springserve`."""

from __future__ import annotations

from singer_adtech.start import start


def main() -> None:
    """Run the tap."""
    start("tap-springserve", "tap_springserve.tap", "TapSpringServe")


if __name__ == "__main__":
    main()
