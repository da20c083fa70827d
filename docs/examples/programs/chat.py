"""A chat at the terminal: ``python chat.py MODEL``. The conversation is the job; each answer makes the next one."""

import sys

from pipelex.boot import Pipelex
from pipelex.cogt.llm.llm_job import LLMJob, LLMPrompt

with Pipelex.setup() as px:
    job = LLMJob(prompt=LLMPrompt(system_text="Be brief."))
    for line in sys.stdin:
        with px.llm(sys.argv[1]).stream_answer_sync(job := job.then(line.strip())) as stream:
            for piece in stream.text():
                print(piece, end="", flush=True)
            print()
            job = job.then(stream.answer())
