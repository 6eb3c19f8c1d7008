"""The registered architectures: they chain layers and set references, without arithmetic."""
