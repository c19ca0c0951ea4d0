"""The process that sends one trace through Langfuse's SDK.

`python -m swap_assets.backends.tracking.trace_sender < TRACE.json`

Alone in its process, so that the SDK's global OpenTelemetry provider sees no other library's spans, and so that its
threads and its work at exit can keep nobody waiting. It writes nothing; the exit code says whether the trace was taken.
"""

import logging
import os
import sys

from swap_assets.backends.tracking.tracing import Trace

_SERVER_S = 5  # all attempts to deliver the trace together
_TAKEN, _REFUSED = 0, 1


class _Refusals(logging.Handler):
    """Counts what the exporter could not deliver; it says so in its log alone."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def main() -> int:
    """Send the trace on stdin and return the exit code."""
    trace = Trace.model_validate_json(sys.stdin.read())
    refusals = _Refusals(level=logging.ERROR)
    logging.getLogger("opentelemetry").addHandler(refusals)
    from langfuse import Langfuse, propagate_attributes

    client = Langfuse(timeout=_SERVER_S)
    with propagate_attributes(session_id=trace.session, tags=list(trace.tags), trace_name=trace.name):
        seen = client.start_observation(
            name=trace.name,
            as_type="span",
            input=trace.input,
            output=trace.output,
            metadata={"kind": trace.kind, **trace.metadata},
            level="ERROR" if trace.failed else "DEFAULT",
            status_message=trace.failed or None,
        )
        seen.end()
    client.flush()
    return _REFUSED if refusals.count else _TAKEN


if __name__ == "__main__":
    # Not sys.exit: the SDK would wait for its threads once more.
    os._exit(main())
