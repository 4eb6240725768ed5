"""Which files may be attached. What a file really is, its content tells; see `contents`."""

from __future__ import annotations

READABLE = "Text, Markdown, CSV, code, PDF and Word (docx) can be read"

# fmt: off
TEXTS = (
    ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".bib", ".log", ".srt", ".vtt",
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".env",
    ".properties", ".xml", ".xsd", ".xsl", ".html", ".htm", ".css", ".scss", ".less", ".ics", ".vcf", ".eml",
    ".diff", ".patch",
)
CODE = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".tsx", ".vue", ".svelte", ".java", ".kt", ".kts",
    ".scala", ".groovy", ".gradle", ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs", ".fs", ".vb", ".go",
    ".rs", ".swift", ".m", ".mm", ".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".dart", ".ex", ".exs", ".erl",
    ".hs", ".ml", ".clj", ".lisp", ".el", ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".cmd", ".sql", ".graphql",
    ".proto", ".tf", ".hcl", ".nix", ".mk", ".cmake", ".dockerfile", ".asm", ".s", ".sol", ".zig", ".v", ".vhd", ".f90",
)
# fmt: on
DOCUMENTS = (".pdf", ".docx", ".doc")  # the last only to be told what to do

# Chainlit wants a type and an ending to fit. Which type a browser gives a file of code is anybody's guess, so the
# ending decides. To the page's script and the browser's picker they must be types that exist, so `*/*` will not do.
ACCEPT = {
    "text/*": [*TEXTS, *CODE, *DOCUMENTS],
    "application/*": [*TEXTS, *CODE, *DOCUMENTS],
    "video/*": [".ts", ".mts"],
    "message/rfc822": [".eml"],
}
