"""OpenOutcry: the self-hosted, real-time backbone of a trading product."""

__version__ = "0.1.0"
