"""Who answers: engines that turn cases into prediction records.

Those for small models stand in `ENGINES`, by the name that a model's entry gives (`domain/experiment/engines.py`);
`hosted` is asked in the calling process.
"""

from swap_assets.backends.engines.local import LocalEngine
from swap_assets.backends.engines.transformers import TransformersEngine
from swap_assets.backends.engines.vllm import VllmEngine

ENGINES: dict[str, type[LocalEngine]] = {engine.name: engine for engine in (TransformersEngine, VllmEngine)}
