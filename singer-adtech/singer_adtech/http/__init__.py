"""Requests and responses: session, authenticators, budgets, retries, bodies and links."""
