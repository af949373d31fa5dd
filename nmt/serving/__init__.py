"""The HTTP server: LibreTranslate's interface and one that explains, the page, batching across
requests, and limits."""
