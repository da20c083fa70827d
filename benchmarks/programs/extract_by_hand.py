"""``extract_by_hand.py FILE``: print the text of a PDF document, the way a script without pipelex does."""

import sys

import pypdfium2

pdf = pypdfium2.PdfDocument(sys.argv[1])
print("\f".join(page.get_textpage().get_text_bounded() for page in pdf))
