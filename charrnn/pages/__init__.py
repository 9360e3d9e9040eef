"""Web pages that are one file: no script, nothing loaded from elsewhere; needs Jinja."""
