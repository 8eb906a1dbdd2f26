"""Render moving pictures from a prompt without any AI provider."""
