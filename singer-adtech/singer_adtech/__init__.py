"""What Singer taps for ad-tech APIs share on top of singer-sdk. The library knows no vendor.

A tap author declares a tap (`tap`, `settings`, `dates`, `reports`) and streams (`streams`), and writes the vendor's
part of `http` (an authenticator, budgets) and of `fetching` (jobs). `errors`, `logs`, `redaction`, `clock` and
`metrics` are used by all rooms; `start` is the entry point of a program. The rooms:

- `streams`: the kinds of streams, which a tap's streams inherit from.
- `progress`: windows, bookmarks and signatures: what to request next, what counts as read.
- `fetching`: pages, prefetching, jobs: in what order, how many at once.
- `records`: from response bodies to RECORD lines: compiled shapes, values, totals, writer.
- `http`: session, authenticators, budgets, retries, requester, responses, links.
- `runs`: a run of a tap: the command line, its inputs, the loop over streams.
- `sdk`: every private or final part of singer-sdk that is used, and hooks in place of them.
- `testing`: what the tests of any tap share.
"""
