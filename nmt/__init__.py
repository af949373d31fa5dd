"""Recurrent sequence-to-sequence translation with attention, on TensorFlow and Keras."""

from typing import TYPE_CHECKING, Any

from nmt.about import VERSION as __version__
from nmt.errors import LineError, UserError

if TYPE_CHECKING:
    from nmt.inference.outputs import Translation
    from nmt.inference.translator import Translator
    from nmt.training.trainer import train
else:  # hidden from type checkers, which would accept any name

    def __getattr__(name: str) -> Any:
        # Imported on first use, so that `import nmt` and `nmt --help` load no TensorFlow.
        if name in ("Translator", "Translation"):
            from nmt.inference import translator

            return getattr(translator, name)
        if name == "train":
            from nmt.training.trainer import train

            return train
        raise AttributeError(f"module 'nmt' has no attribute {name!r}")

    def __dir__() -> list[str]:  # for completion; without TensorFlow there is no `train`
        from nmt.about import is_installed

        usable = {*__all__} if is_installed("tensorflow") else {*__all__} - {"train"}
        return sorted({*globals(), *usable})


__all__ = ["LineError", "Translation", "Translator", "UserError", "__version__", "train"]
