"""`python -m tap_spotwatch` runs `tap-spotwatch`."""

from __future__ import annotations

from singer_adtech.start import start


def main() -> None:
    """Run the tap."""
    start("tap-spotwatch", "tap_spotwatch.tap", "TapSpotwatch")


if __name__ == "__main__":
    main()
