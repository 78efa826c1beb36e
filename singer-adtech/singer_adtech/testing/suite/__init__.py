"""Tests that all taps share.

A tap's tests declare the tap and its vendor's simulator; streams and settings are derived from the tap:

    class TestAcme(TapSuite):
        tap_class = TapAcme
        now = NOW
        wrong_credentials = {"api_key": "somebody-elses"}

        @classmethod
        def vendor(cls) -> AcmeSimulator:
            return AcmeSimulator(days=5)

and the other declarations that `SuiteBase` and `ProgramTests` require.
"""

from __future__ import annotations

from singer_adtech.testing.suite.base import Restart, Slices, Vendor, assert_truth
from singer_adtech.testing.suite.documents import DocumentTests
from singer_adtech.testing.suite.programs import ProgramTests
from singer_adtech.testing.suite.settings import SettingTests
from singer_adtech.testing.suite.streams import StreamTests

__all__ = ["Restart", "Slices", "TapSuite", "Vendor", "assert_truth"]


class TapSuite(StreamTests, SettingTests, DocumentTests, ProgramTests):
    """All tests of the suite."""
