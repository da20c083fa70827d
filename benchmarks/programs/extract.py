"""``extract.py WAY FILE WORDS``: the text of every page of a PDF document, one after the other, none kept."""

import json
import sys
from time import perf_counter, process_time


def by_hand(file):
    import pypdfium2

    def texts():
        pdf = pypdfium2.PdfDocument(file)
        for number in range(len(pdf)):
            page = pdf[number]
            textpage = page.get_textpage()
            yield textpage.get_text_bounded()
            textpage.close()
            page.close()
        pdf.close()

    return texts


def ours(file):
    import asyncio

    import pypdfium2  # noqa: F401 - by hand it is imported before the clock runs, too

    from pipelex.boot import Pipelex

    worker = Pipelex.setup().extract("pypdfium2")

    async def words():
        return sum([len(page.text.split()) async for page in worker.stream_pages(file)])

    return lambda: asyncio.run(words())


def main(way, file, expected):
    read = ours(file) if way == "ours" else by_hand(file)
    wall, cpu = perf_counter(), process_time()
    words = read() if way == "ours" else sum(len(text.split()) for text in read())
    cpu, wall = process_time() - cpu, perf_counter() - wall
    assert words == int(expected), words
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"reading": cpu, "reading wall": wall, "peak": peak * 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
