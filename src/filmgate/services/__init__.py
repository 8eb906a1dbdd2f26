"""Hold one verb per use case: services decide, repositories and providers act."""
