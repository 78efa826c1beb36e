"""Shared code of Singer taps for ad-tech APIs, based on singer-sdk and vendor-independent.

A tap author declares a tap (`tap`, `settings`, `dates`, `reports`) and streams (`streams`), and writes the vendor's
part of `http` (an authenticator, budgets) and of `fetching` (jobs). `errors`, `logs`, `redaction`, `clock` and
`metrics` are used by all subpackages; `start` is the entry point of a program. The subpackages:

- `streams`: base classes for a tap's streams.
- `progress`: windows, bookmarks and signatures, which decide what to request next.
- `fetching`: pages, prefetching and jobs: their order and parallelism.
- `records`: from response bodies to RECORD lines: compiled shapes, values, totals, writer.
- `http`: session, authenticators, budgets, retries, requester, responses, links.
- `runs`: a run of a tap: the command line, its inputs, the loop over streams.
- `sdk`: all uses of private or final parts of singer-sdk, and the hooks that replace them.
- `testing`: test helpers for any tap.
"""
