"""`python -m tap_adspect` runs `tap-adspect`."""

from __future__ import annotations

from singer_adtech.start import start


def main() -> None:
    """Run the tap."""
    start("tap-adspect", "tap_adspect.tap", "TapAdspect")


if __name__ == "__main__":
    main()
