"""The engines that answer for small models, by the name that a model's entry gives; see `domain/experiment/engines.py`.

`hosted` is none of them: it is asked in the calling process, by `hosted.ask_hosted`.
"""

from swap_assets.backends.engines.local import LocalEngine
from swap_assets.backends.engines.transformers import TransformersEngine
from swap_assets.backends.engines.vllm import VllmEngine

ENGINES: dict[str, type[LocalEngine]] = {engine.name: engine for engine in (TransformersEngine, VllmEngine)}
