"""What Singer taps for ad-tech APIs share on top of singer-sdk.

Each module is one concern: `sessions`, `retries`, `budgets`, `requester` and `auth` talk to a vendor; `pages`,
`windows` and `bookmarks` decide what is asked for and what counts as read; `records`, `row_counts` and `emitting` carry
rows from the wire to RECORD lines; `settings`, `errors`, `redaction` face the user; `tap` and `streams` are the base
classes that put them together. The library knows no vendor.
"""

from __future__ import annotations
