"""Recurrent sequence-to-sequence translation with attention, on TensorFlow and Keras."""

from typing import TYPE_CHECKING, Any

from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.translator import Translation, Translator

__version__ = "0.1.0"
__all__ = ["Translation", "Translator", "UserError", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import nmt` and `nmt --help` load no TensorFlow.
    if name in ("Translator", "Translation"):
        from nmt import translator

        return getattr(translator, name)
    raise AttributeError(f"module 'nmt' has no attribute {name!r}")
