"""One real question to a hosted model, for `doctor`: do this key, this deployment and this network give an answer?

Nothing is retried and nothing is kept; what an experiment asks goes through `asking`.
"""

import asyncio
import time

from swap_assets.backends.hosted import clients
from swap_assets.domain.experiment.entries import HostedModel

QUESTION = "Answer with the one word: yes"
TIMEOUT_S = 10.0


def ask_one_question(model: HostedModel, *, timeout_s: float = TIMEOUT_S) -> tuple[bool, str]:
    """Return whether the model answered, and in one sentence how fast and at what cost, or why not."""
    model, began = model.model_copy(update={"timeout_s": timeout_s, "max_retries": 0}), time.monotonic()
    try:
        usage = asyncio.run(_asked(model))
    except Exception as error:
        return False, clients.explain(error, model)
    told = f"answered one question in {time.monotonic() - began:.1f} s, {sum(usage)} tokens"
    return True, f"{told}, {model.price.of(*usage):.6f} in money" if model.price else told


async def _asked(model: HostedModel) -> tuple[int, int]:
    async with clients.open_client(model) as client:
        question = client.chat.completions.create(
            model=model.model,
            messages=[{"role": "user", "content": QUESTION}],
            extra_body=model.extra_body or None,
        )
        reply = await asyncio.wait_for(question, model.timeout_s)
    if not getattr(reply, "choices", None):
        raise clients.UnreadableReplyError("the server's reply is no chat completion: check the endpoint")
    return (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.usage else (0, 0)
