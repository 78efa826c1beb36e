"""In which order pages and jobs are requested, and how many at a time."""
