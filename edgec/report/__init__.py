"""What results look like: documents (plain dicts, as the verbs return them) to text, JSON, HTML and SVG."""
