"""`python -m tap_ispot` runs `tap-ispot`."""

from __future__ import annotations

from singer_adtech.start import start


def main() -> None:
    """Run the tap."""
    start("tap-ispot", "tap_ispot.tap", "TapISpot")


if __name__ == "__main__":
    main()
