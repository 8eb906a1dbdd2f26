"""List the scene families and load each one only when a prompt asks for it."""

from importlib import import_module

from filmgate.renderer.stage import Scene

# name -> module and class
SCENES: dict[str, tuple[str, str]] = {
    "sea": ("water", "Sea"),
    "lake": ("water", "Lake"),
    "dunes": ("dunes", "Dunes"),
    "mountains": ("mountains", "Mountains"),
    "forest": ("forest", "Forest"),
    "street": ("street", "Street"),
    "skyline": ("skyline", "Skyline"),
    "aurora": ("aurora", "Aurora"),
    "nebula": ("nebula", "Nebula"),
    "planet": ("planet", "Planet"),
    "rain": ("rain", "Rain"),
    "snow": ("forest", "Snow"),
    "silk": ("silk", "Silk"),
    "ink": ("ink", "Ink"),
    "tunnel": ("tunnel", "Tunnel"),
    "grid": ("grid", "Grid"),
    "meadow": ("meadow", "Meadow"),
    "fire": ("fire", "Fire"),
    "clouds": ("clouds", "Clouds"),
    "underwater": ("underwater", "Underwater"),
}


def scene_class(name: str) -> type[Scene]:
    """Return the class that paints a scene."""
    module, kind = SCENES[name]
    return getattr(import_module(f"{__name__}.{module}"), kind)
