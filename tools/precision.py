"""What an engine is asked to compute in, and what it says when it cannot."""

from __future__ import annotations

from typing import Any, Mapping, TypeVar

from tools.errors import ConfigError

Setting = TypeVar("Setting")


def setting_for(config: Any, settings: Mapping[str, Setting], hint: str = "") -> Setting:
    """What `settings` has for `config.precision`. Raises ConfigError naming the precisions there are, and `hint`."""
    if config.precision not in settings:
        raise unsupported(config, "supported: {}".format(", ".join(settings)), hint)
    return settings[config.precision]


def unsupported(config: Any, fact: str, hint: str = "") -> ConfigError:
    """The error of an engine that would compute in something else than `config.precision`."""
    message = "{} on {} cannot compute in {} ({}); set another precision or compiler in configs/{}".format(
        config.compiler, config.vendor, config.precision, fact, config.case
    )
    return ConfigError("{}; {}".format(message, hint) if hint else message)
