"""Names and values that the examiner and the plugin's options share. Imports nothing: pytest loads it in every run."""

PICTURE = "https://dashscope.oss-cn-beijing.aliyuncs.com/images/dog_and_girl.jpeg"
"""An image that providers can fetch: the one in seed 002."""


def key_variable(slug: str, purpose: str = "") -> str:
    """Return the environment variable of a provider's key, or of a key made for a purpose."""
    return f"QWENMOCK_{slug.upper().replace('-', '_')}_KEY{purpose and '_'}{purpose.upper()}"
