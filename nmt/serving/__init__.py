"""The HTTP server: LibreTranslate's API, `/v1/translate` with attention and scores, the page,
dynamic batching, and limits."""
