"""Order and parallelism of requests for pages and jobs."""
