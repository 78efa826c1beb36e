"""`python -m tap_magnite` runs `tap-magnite`."""

from __future__ import annotations

from singer_adtech.start import start


def main() -> None:
    """Run the tap."""
    start("tap-magnite", "tap_magnite.tap", "TapMagnite")


if __name__ == "__main__":
    main()
