"""The vendors' APIs, imitated over HTTP for tests and demonstrations; imports no other package of this repository."""
