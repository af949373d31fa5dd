"""Documents: text out of files with formatting, translations in, everything else as it was.
`formats.FORMATS` names the formats, `translating.translate_document` translates one."""
