"""From response bodies to RECORD lines: exact values, compiled shapes, totals and the writer."""
