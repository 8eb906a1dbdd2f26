"""Stand in for the video vendors: speak their wires, deliver real films, keep a bill, and lie on request.

It shares no code with the providers that are tested against it, and imports nothing else of filmgate.
"""
